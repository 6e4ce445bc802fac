// Arena: where a model takes its activation memory from, once per stage.
//
// A measuring arena hands out null pointers and only counts, so that the planner knows the exact
// bytes of a model that would never fit this machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tensor/buffer.h"

namespace ortho {

template <class T>
class Arena {
 public:
  explicit Arena(bool measure = false) : measure_(measure) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  T* take(std::int64_t count, const std::string& purpose) {
    bytes_ += count * static_cast<std::int64_t>(sizeof(T));
    if (measure_ || count == 0) return nullptr;
    buffers_.emplace_back(count, purpose);
    return buffers_.back().data();
  }
  std::int64_t bytes() const { return bytes_; }
  bool measuring() const { return measure_; }

 private:
  bool measure_;
  std::int64_t bytes_ = 0;
  std::vector<Buffer<T>> buffers_;
};

}  // namespace ortho
