// Buffer: one aligned allocation that owns its memory;
// everything else holds std::span or plain pointers.
//
// 64-byte aligned; from 4 MiB on aligned to 2 MiB and offered to the kernel as huge pages. Zero at
// birth. Out of memory says how many bytes and what for.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>

#include "core/error.h"

namespace ortho {

// Zeroed; free with std::free.
void* allocate_aligned(std::int64_t bytes, const std::string& purpose);

template <class T>
class Buffer {
 public:
  Buffer() = default;
  Buffer(std::int64_t count, const std::string& purpose)
      : data_(static_cast<T*>(
            allocate_aligned(checked_product(count, std::int64_t{sizeof(T)}), purpose))),
        count_(count) {}

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  std::int64_t size() const { return count_; }
  std::span<T> span() { return {data_.get(), static_cast<size_t>(count_)}; }
  std::span<const T> span() const { return {data_.get(), static_cast<size_t>(count_)}; }
  T& operator[](std::int64_t i) { return data_.get()[i]; }
  const T& operator[](std::int64_t i) const { return data_.get()[i]; }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T, Free> data_;
  std::int64_t count_ = 0;
};

}  // namespace ortho
