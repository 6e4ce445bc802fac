// PNM: PGM and PPM, plain and raw (P2, P3, P5, P6), and PAM (P7), 8 or 16 bits a sample, to RGB.
//
// Samples are scaled from 0 … maxval to 0 … 255, rounded; PAM's alpha is composited on white. One
// image a file: bytes behind it are refused.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "dataio/media/image.h"

namespace ortho {

// Starts with P2, P3, P5, P6 or P7 and white space.
bool is_pnm(std::span<const std::uint8_t> bytes);

// Error(data) naming `name`, the byte and what was expected there.
Image decode_pnm(std::span<const std::uint8_t> bytes, const std::string& name);

}  // namespace ortho
