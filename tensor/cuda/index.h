// Numbers of elements inside kernels: 32 bits, and division by multiplication.
//
// A division of 64 bits costs a GPU about 70 instructions, more than most bodies. One tensor on one
// device therefore has fewer than 2^31 elements; offsets into arrays are 64 bits wide.
#pragma once

#include <annotations.h>

#include <bit>
#include <cstdint>

#include "core/error.h"

namespace ortho {

inline std::uint32_t index32(std::int64_t count) {
  REQUIRE(count >= 0 && count < (std::int64_t{1} << 31), "one operation on a GPU takes fewer than ",
          std::int64_t{1} << 31, " elements, here ", count, ": use more ranks or a smaller batch");
  return static_cast<std::uint32_t>(count);
}

// n / by for n < 2^31, by >= 1. With 2^shift < by <= 2^(shift + 1) and the multiplier
// ceil(2^(32 + shift) / by), the error n * 2^(shift + 1) stays below 2^(32 + shift).
class Divisor {
 public:
  Divisor() = default;
  explicit Divisor(std::int64_t by) : by_(index32(by)) {
    ASSERT(by >= 1, "a divisor of ", by);
    if (by_ == 1) return;
    shift_ = static_cast<std::uint32_t>(std::bit_width(by_ - 1)) - 1;
    const std::uint64_t power = std::uint64_t{1} << (32 + shift_);
    multiplier_ = static_cast<std::uint32_t>((power + by_ - 1) / by_);
  }

  ORTHO_HD std::uint32_t by() const { return by_; }
  ORTHO_HD std::uint32_t quotient(std::uint32_t n) const {
    if (by_ == 1) return n;
    return static_cast<std::uint32_t>((std::uint64_t{n} * multiplier_) >> 32) >> shift_;
  }
  ORTHO_HD std::uint32_t rest(std::uint32_t n) const { return n - quotient(n) * by_; }

 private:
  std::uint32_t by_ = 1, multiplier_ = 0, shift_ = 0;
};

}  // namespace ortho
