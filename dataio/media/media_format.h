// MediaFormat: which kind of film, picture or sound the first bytes of a file announce.
//
// These are the formats that orthotope-decode reads; it and `pack` ask the same table.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace ortho {

enum class MediaFormat { none, png, jpeg, gif, ogg, flac, mp3, mp4, webm };

MediaFormat media_format(std::span<const std::uint8_t> bytes);
const char* media_format_name(MediaFormat format);  // "JPEG"; "none" for none

// The first 16 bytes, or less, as characters: what signatures are compared with.
std::string_view file_start(std::span<const std::uint8_t> bytes);

}  // namespace ortho
