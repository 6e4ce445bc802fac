// What writer and reader of box files share: names in the file, and the checksum of each chunk.
//
//   /pieces/NNNNNN     one Box, flat; attributes: array (its name), shape, lo, hi (i64 [axes])
//   /checksums/NNNNNN  u32, one a chunk of the piece
//   /attributes/NAME   a text (u8), an integer (i64 [1]) or a real (f64 [1]); attribute: crc32c
//
// Root attributes: format, version_major, version_minor, chunk_bytes (since 1.1; 1 MiB before),
// pieces, complete (last).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dataio/box_file.h"
#include "dataio/hdf5.h"

namespace ortho {

constexpr const char* kBoxFormat = "orthotope-boxes";
constexpr std::uint32_t kBoxVersionMajor = 1;
constexpr std::uint32_t kBoxVersionMinor = 1;
// Small, since a Box that is cut in another way than it was written needs a part of many runs.
constexpr std::uint64_t kBoxChunkBytes = std::uint64_t{1} << 14;
constexpr std::uint64_t kBoxReadBytes = std::uint64_t{1} << 20;  // most that is read at once
// The same where it is copied once more, still in a core's own cache (docs/performance.md, section 9).
constexpr std::uint64_t kBoxNearBytes = std::uint64_t{1} << 18;

template <class T>
struct BoxTypeOf;
template <>
struct BoxTypeOf<float> {
  static constexpr BoxType value = BoxType::f32;
};
template <>
struct BoxTypeOf<double> {
  static constexpr BoxType value = BoxType::f64;
};
template <>
struct BoxTypeOf<std::int64_t> {
  static constexpr BoxType value = BoxType::i64;
};

Number number_of(BoxType type);
std::uint64_t bytes_of(BoxType type);
std::string piece_name(std::uint64_t number);  // "000041"
std::vector<std::uint32_t> chunk_checksums(const void* data, std::uint64_t bytes);

// The checksums of all pieces of one file, in their order: what was read is what was written.
std::vector<std::vector<std::uint32_t>> verified_checksums(const std::string& path);

}  // namespace ortho
