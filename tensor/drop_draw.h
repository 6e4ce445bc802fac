// Which channels dropout drops: a hash of the row's 64-bit key and the channel's global number,
// the same on every device.
#pragma once

#include <annotations.h>

#include <cstdint>

namespace ortho {

// Bijective 32-bit mixer with low bias (Wellons, "Prospecting for hash functions", 2018).
ORTHO_HD inline std::uint32_t mix_bits(std::uint32_t x) {
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  x ^= x >> 16;
  return x;
}

// Dropped if below p * 2^32. `low` and `high` are the halves of the row's key.
ORTHO_HD inline std::uint32_t drop_draw(std::uint32_t low, std::uint32_t high,
                                        std::uint32_t channel) {
  return mix_bits(mix_bits(channel * 0x9e3779b9u + low) ^ high);
}

}  // namespace ortho
