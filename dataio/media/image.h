// Image: RGB, eight bits a channel, row by row from the top left. What every image decoder returns.
//
// Grey becomes R = G = B; transparency is composited
// on white, so no colour hidden under it gets in.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ortho {

struct Image {
  std::int64_t width = 0;         // pixels, >= 1
  std::int64_t height = 0;        // pixels, >= 1
  std::vector<std::uint8_t> rgb;  // [height][width][3]
  bool operator==(const Image&) const = default;
};

constexpr std::int64_t kMaxPixels = std::int64_t{1} << 26;  // of one image: 64 Mpx, 192 MiB as RGB

// Pixels of an image of that size; Error(data) naming
// `name` when a side is 0 or there are too many pixels.
std::int64_t checked_pixels(std::int64_t width, std::int64_t height, const std::string& name);

// `value` of a channel seen through `alpha` on white; all in 0 … 255, rounded to the nearest.
constexpr std::uint8_t over_white(std::uint32_t value, std::uint32_t alpha) {
  return static_cast<std::uint8_t>((value * alpha + 255 * (255 - alpha) + 127) / 255);
}

// Every new pixel is the mean of the area it covers,
// weighted exactly and rounded: the same bytes everywhere.
Image resize(const Image& image, std::int64_t height, std::int64_t width);

}  // namespace ortho
