// Import: one raw file to the parts of a record, its kind told by its content.
//
// Built in: UTF-8 text, PNG, PGM/PPM/PAM, WAV. JPEG, GIF, Ogg, FLAC, MP3, MP4 and WebM go to the
// Decoder. Whatever is none of these is taken for text, and a known signature of another kind
// (PDF, ZIP …) is refused by name.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dataio/media/decoder.h"
#include "dataio/media/image.h"
#include "dataio/media/loudness.h"
#include "dataio/media/wav.h"
#include "dataio/record.h"

namespace ortho {

struct ImportRule {
  std::int64_t image_height = 0, image_width = 0;  // pixels; 0: as they are
  std::int64_t image_levels = 256;  // of red, green and blue: 2 = black and white, evenly spread
  Channels channels = Channels::mean;
  Loudness loudness = Loudness::as_is;  // before trimming, which then is relative to it
  std::int64_t silence_behind = 0;      // samples that trimmed audio gets at its end
  double speed = 1;                     // of playing: 1.1 is a tenth faster, and higher
  bool trim = false;  // drop samples below `trim_level` before the first and after the last other
  std::int16_t trim_level = 328;  // 1 % of the full scale
  std::int64_t cut_samples = 0;   // audio is cut behind that many; 0: not
  std::int64_t audio_rate = 0;    // samples per second of all audio; 0: each as it is
  MediaRule decode;               // its `channels` are the ones above
};

// media: for the Decoder, whatever it turns out to hold.
enum class FileKind { text, image, audio, idx, media };

// By signature. Error(data) naming `name` for a kind that is known but not built in.
FileKind kind_of(std::span<const std::uint8_t> bytes, const std::string& name);

Part image_part(const Image& image, const ImportRule& rule);
// Error(data) naming `name` when there are no samples, or none are left after trimming.
Part audio_part(Sound sound, const ImportRule& rule, const std::string& name);
Part text_part_of(std::u32string_view symbols, const std::string& name);  // Error(data) when empty

// A whole file: one part, or a film and its sound. Silence around that sound stays: it keeps the
// film's time. IDX files hold many records: Error(data).
std::vector<Part> import_parts(std::span<const std::uint8_t> bytes, const std::string& name,
                               const ImportRule& rule, Decoder& decoder);

}  // namespace ortho
