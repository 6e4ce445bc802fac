// Handle: the one move-only owner of every foreign handle (HDF5, MPI, CUDA, NCCL).
//
// Traits give the type, its null value and how to close it; close may log but never throws.
#pragma once

#include <utility>

namespace ortho {

template <class Traits>
class Handle {
 public:
  using Type = typename Traits::Type;
  Handle() = default;
  explicit Handle(Type value) : value_(value) {}
  Handle(Handle&& other) noexcept : value_(std::exchange(other.value_, Traits::null())) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      reset();
      value_ = std::exchange(other.value_, Traits::null());
    }
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { reset(); }

  Type get() const { return value_; }
  Type release() { return std::exchange(value_, Traits::null()); }
  void reset() noexcept {
    if (value_ != Traits::null()) Traits::close(value_);
    value_ = Traits::null();
  }

 private:
  Type value_ = Traits::null();
};

}  // namespace ortho
