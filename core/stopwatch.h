// Stopwatch: adds the seconds of its own life to a total.
#pragma once

#include <chrono>

namespace ortho {

class Stopwatch {
 public:
  explicit Stopwatch(double& total_sec) : total_sec_(total_sec) {}
  ~Stopwatch() {
    total_sec_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double& total_sec_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

}  // namespace ortho
