#include "dataio/media/media_format.h"

#include <algorithm>

namespace ortho {
namespace {

using namespace std::string_view_literals;

struct Signature {
  std::size_t at;  // byte where it stands
  std::string_view bytes;
  MediaFormat format;
};

// An MP3 without a tag begins with a frame of MPEG 1 or 2, layer III: 11 bits set, then these.
constexpr Signature kSignatures[] = {
    {0, "\x89PNG\r\n\x1A\n"sv, MediaFormat::png},
    {0, "\xFF\xD8\xFF"sv, MediaFormat::jpeg},
    {0, "GIF87a"sv, MediaFormat::gif},
    {0, "GIF89a"sv, MediaFormat::gif},
    {0, "OggS"sv, MediaFormat::ogg},
    {0, "fLaC"sv, MediaFormat::flac},
    {0, "ID3"sv, MediaFormat::mp3},
    {0, "\xFF\xFB"sv, MediaFormat::mp3},
    {0, "\xFF\xFA"sv, MediaFormat::mp3},
    {0, "\xFF\xF3"sv, MediaFormat::mp3},
    {0, "\xFF\xF2"sv, MediaFormat::mp3},
    {4, "ftyp"sv, MediaFormat::mp4},
    {0, "\x1A\x45\xDF\xA3"sv, MediaFormat::webm},
};

constexpr const char* kNames[] = {"none", "PNG", "JPEG", "GIF", "Ogg",
                                  "FLAC", "MP3", "MP4",  "WebM"};

}  // namespace

std::string_view file_start(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 16)};
}

MediaFormat media_format(std::span<const std::uint8_t> bytes) {
  const std::string_view start = file_start(bytes);
  for (const Signature& known : kSignatures)
    if (start.size() >= known.at && start.substr(known.at).starts_with(known.bytes))
      return known.format;
  return MediaFormat::none;
}

const char* media_format_name(MediaFormat format) {
  return kNames[static_cast<std::size_t>(format)];
}

}  // namespace ortho
