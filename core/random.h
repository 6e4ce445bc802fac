// Counter-based random numbers: a pure function of (seed, name, index), the same on every mesh.
//
// No state is kept and none is saved. Philox 4x32-10 (Salmon et al.,
// "Parallel random numbers: as easy as 1, 2, 3", SC11). Each Random
// is one stream; index i of a stream never depends on which rank asks.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace ortho {

class Random {
 public:
  // `name` separates streams of one seed: "init/block.0.axis.1.w1", "order/epoch", "dropout".
  Random(std::uint64_t seed, std::string_view name, std::uint64_t a = 0, std::uint64_t b = 0);

  std::uint64_t bits(std::uint64_t index) const;  // 64 random bits
  std::uint64_t below(std::uint64_t index,
                      std::uint64_t bound) const;  // 0 <= n < bound; bias < 2^-64 * bound
  double uniform(std::uint64_t index) const;       // [0, 1), 53 bits
  double normal(std::uint64_t index) const;        // mean 0, variance 1 (Box-Muller)

 private:
  std::array<std::uint32_t, 4> block(std::uint64_t index) const;
  std::uint64_t key_;
  std::uint64_t stream_;
};

}  // namespace ortho
