// decode_media: a whole media file to parts: an image; a sound; a film, then its sound.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dataio/media/decode_message.h"

namespace ortho {

// Error(data) with what is wrong with the file. Its parts together may be larger than an answer.
std::vector<Part> decode_media(std::span<const std::uint8_t> bytes, const MediaRule& rule);

}  // namespace ortho
