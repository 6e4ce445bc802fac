// Counter-based random numbers: a pure function of (seed, name, index), the same on every mesh.
//
// No state is kept and none is saved. Philox 4x32-10 (Salmon et al.,
// "Parallel random numbers: as easy as 1, 2, 3", SC11). Each Random
// is one stream; index i of a stream never depends on which rank asks.
#pragma once

#include <annotations.h>

#include <array>
#include <cstdint>
#include <string_view>

namespace ortho {

class Random {
 public:
  // `name` separates streams of one seed: "init/block.0.axis.1.w1", "order/epoch", "dropout".
  Random(std::uint64_t seed, std::string_view name, std::uint64_t a = 0, std::uint64_t b = 0);

  ORTHO_HD std::uint64_t bits(std::uint64_t index) const {  // 64 random bits
    const auto c = block(index);
    return c[0] | (std::uint64_t{c[1]} << 32);
  }
  // 0 <= n < bound; bias < 2^-64 * bound.
  std::uint64_t below(std::uint64_t index, std::uint64_t bound) const;
  double uniform(std::uint64_t index) const;  // [0, 1), 53 bits
  double normal(std::uint64_t index) const;   // mean 0, variance 1 (Box-Muller)

 private:
  ORTHO_HD std::array<std::uint32_t, 4> block(std::uint64_t index) const {
    std::array<std::uint32_t, 4> c = {
        static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
        static_cast<std::uint32_t>(stream_), static_cast<std::uint32_t>(stream_ >> 32)};
    std::uint32_t k0 = static_cast<std::uint32_t>(key_),
                  k1 = static_cast<std::uint32_t>(key_ >> 32);
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c[0],
                          p1 = std::uint64_t{0xCD9E8D57u} * c[2];
      c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<std::uint32_t>(p1),
           static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<std::uint32_t>(p0)};
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    return c;
  }
  std::uint64_t key_;
  std::uint64_t stream_;
};

}  // namespace ortho
