// Arena: where a model takes its activation memory from, once per stage.
//
// A measuring arena hands out null pointers and only counts, so that the planner knows the exact
// bytes of a model that would never fit this machine.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "comm/channel.h"
#include "core/error.h"
#include "tensor/buffer.h"

namespace ortho {

template <class T>
class Arena {
 public:
  explicit Arena(bool measure = false) : measure_(measure) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  T* take(std::int64_t count, const std::string& purpose) {
    return take_from(buffers_, count, purpose);
  }
  std::int32_t* take_rows(std::int64_t count, const std::string& purpose) {  // row numbers
    return take_from(rows_, count, purpose);
  }
  // An array for each count, in memory that the ranks on this one's node read where it lies;
  // ordinary memory where that cannot be (Channel::share). Collective over `world`, as is then the
  // end of the arena; while measuring it is not asked and may be null.
  std::vector<T*> take_shared(std::span<const std::int64_t> counts, Channel* world);
  std::int64_t bytes() const { return bytes_; }  // without what alignment adds
  bool measuring() const { return measure_; }

 private:
  template <class V>
  void count_bytes(std::int64_t count) {
    bytes_ += checked_product(count, std::int64_t{sizeof(V)});
  }
  template <class V>
  V* take_from(std::vector<Buffer<V>>& buffers, std::int64_t count, const std::string& purpose) {
    count_bytes<V>(count);
    if (measure_ || count == 0) return nullptr;
    buffers.emplace_back(count, purpose);
    return buffers.back().data();
  }
  bool measure_;
  std::int64_t bytes_ = 0;
  std::vector<Buffer<T>> buffers_;
  std::vector<Buffer<std::int32_t>> rows_;
  std::vector<std::unique_ptr<SharedMemory>> shared_;
};

}  // namespace ortho
