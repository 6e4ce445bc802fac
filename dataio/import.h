// Import: one raw file to a part of a record, its kind told by its content.
//
// Built in: UTF-8 text, PNG, PGM/PPM/PAM, WAV. Whatever is none of these is taken for text, and a
// known signature of another kind (JPEG, Ogg …) is refused by name.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "dataio/media/image.h"
#include "dataio/media/wav.h"
#include "dataio/record.h"

namespace ortho {

struct ImportRule {
  std::int64_t image_height = 0, image_width = 0;  // pixels; 0: as they are
  Channels channels = Channels::mean;
  bool trim = false;  // drop samples below `trim_level` before the first and after the last other
  std::int16_t trim_level = 328;  // 1 % of the full scale
  std::int64_t cut_samples = 0;   // audio is cut behind that many; 0: not
};

enum class FileKind { text, image, audio, idx };

// By signature. Error(data) naming `name` for a kind that is known but not built in.
FileKind kind_of(std::span<const std::uint8_t> bytes, const std::string& name);

Part image_part(const Image& image, const ImportRule& rule);
// Error(data) naming `name` when there are no samples, or none are left after trimming.
Part audio_part(Sound sound, const ImportRule& rule, const std::string& name);
Part text_part_of(std::u32string_view symbols, const std::string& name);  // Error(data) when empty

// A whole file as one part. IDX files hold many: Error(data).
Part import_part(std::span<const std::uint8_t> bytes, const std::string& name,
                 const ImportRule& rule);

}  // namespace ortho
