// Records and data sets for tests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dataio/manifest.h"
#include "dataio/media/utf8.h"
#include "dataio/record.h"
#include "dataio/shard.h"

namespace ortho {

inline Part text_of(const std::string& utf8) {
  const std::u32string symbols = decode_utf8(std::string_view(utf8), "test");
  return text_part({symbols.begin(), symbols.end()});
}

// Samples of the 16-bit levels first, first + 1, …:
// distinct, so that a test sees which tokens came.
inline Part sound_of(int first, int count) {
  Part part{
      PartKind::audio, DType::i16, {static_cast<std::uint32_t>(count), 1, 1, 1}, {8000, 1}, {}};
  for (int level = first; level < first + count; ++level) {
    const int sample = level - 32768;
    part.bytes.push_back(static_cast<std::uint8_t>(sample & 255));
    part.bytes.push_back(static_cast<std::uint8_t>((sample >> 8) & 255));
  }
  return part;
}

// Grey levels first, first + 1, …, row by row.
inline Part picture_of(int first, std::uint32_t height, std::uint32_t width) {
  Part part{PartKind::image, DType::u8, {1, height, width, 3}, {0, 1}, {}};
  for (std::uint32_t i = 0; i < height * width; ++i)
    part.bytes.insert(part.bytes.end(), 3,
                      static_cast<std::uint8_t>(static_cast<std::uint32_t>(first) + i));
  return part;
}

inline void write_shard(const std::string& path, const std::vector<Record>& records) {
  ShardWriter writer(path, {}, 0, {std::uint64_t{1} << 16, 0});  // the smallest blocks there are
  for (const Record& record : records) writer.add(record);
  writer.finish();
}

}  // namespace ortho
