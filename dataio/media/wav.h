// WAV: PCM of 8, 16, 24 or 32 bits and float of 32 or 64
// bits, also WAVE_FORMAT_EXTENSIBLE, to mono int16.
//
// Samples of other widths are rounded to the nearest of 16 bits and clipped. Several channels
// become one: their mean, or the first. The rate is kept.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ortho {

struct Sound {
  std::int64_t rate = 0;              // samples per second
  std::vector<std::int16_t> samples;  // mono
  bool operator==(const Sound&) const = default;
};

enum class Channels { mean, first };  // what several channels become

bool is_wav(std::span<const std::uint8_t> bytes);  // RIFF … WAVE

// Error(data) naming `name`, the byte, the field and what it says: no or absurd format, a width or
// coding not listed above, a data chunk cut short, a float that is not a number.
Sound decode_wav(std::span<const std::uint8_t> bytes, const std::string& name,
                 Channels channels = Channels::mean);

std::vector<std::uint8_t> encode_wav(const Sound& sound);  // PCM, 16 bits, mono

}  // namespace ortho
