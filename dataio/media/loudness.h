// Loudness: a sound brought to one level, so that near and far voices look alike.
//
//   peak  the largest |sample| becomes 0.9 of the full scale
//   rms   the root of the mean square becomes 0.1 of it; what then lies above the scale is clipped
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace ortho {

enum class Loudness { as_is, peak, rms };

Loudness loudness_from_name(const std::string& name);  // Error(usage) listing the known names

// In place. All zeros stay as they are.
void normalize(std::span<std::int16_t> samples, Loudness loudness);

}  // namespace ortho
