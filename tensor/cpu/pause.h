// Pause: what a rank does between the tiles of a long operation, at most every 50 us: look after
// messages. Inside a parallel region its first thread alone does, which is the one that called.
#pragma once

#include <omp.h>

#include <chrono>
#include <functional>
#include <utility>

namespace ortho {

class Pause {
 public:
  void set(std::function<void()> act) { act_ = std::move(act); }
  void operator()() {
    using Clock = std::chrono::steady_clock;
    if (!act_ || omp_get_thread_num() != 0 || Clock::now() < next_) return;
    act_();
    next_ = Clock::now() + std::chrono::microseconds(50);
  }

 private:
  std::function<void()> act_;
  std::chrono::steady_clock::time_point next_;
};

}  // namespace ortho
