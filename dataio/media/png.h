// PNG: any colour type and depth to RGB, and RGB or grey back to PNG. Through libpng, from memory.
//
// Transparency is composited on white here, in sRGB values.
// 16-bit files without gamma count as sRGB.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dataio/media/image.h"

namespace ortho {

bool is_png(std::span<const std::uint8_t> bytes);  // by its signature

// Error(data) naming `name` with libpng's reason: damaged, truncated, or more than kMaxPixels.
Image decode_png(std::span<const std::uint8_t> bytes, const std::string& name);

std::vector<std::uint8_t> encode_png(const Image& image);

// `grey` holds [height][width] values.
std::vector<std::uint8_t> encode_grey_png(std::span<const std::uint8_t> grey, std::int64_t height,
                                          std::int64_t width);

}  // namespace ortho
