// What the writer and the reader of box files share: names in the file, and the checksum of each
// MiB.
//
//   /pieces/NNNNNN      one Box, flat; attributes: array (name), shape, lo, hi (i64, one entry an
//   axis) /checksums/NNNNNN   u32, one a MiB of the piece /text/NAME          a text attribute, u8;
//   attribute: crc32c
// Root attributes: format, version_major, version_minor, pieces, complete (last), and the caller's
// numbers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dataio/box_file.h"
#include "dataio/hdf5.h"

namespace ortho {

constexpr const char* kBoxFormat = "orthotope-boxes";
constexpr std::uint32_t kBoxVersionMajor = 1;
constexpr std::uint32_t kBoxVersionMinor = 0;
constexpr std::uint64_t kBoxChunkBytes = std::uint64_t{1} << 20;

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
bool is_reserved_attribute(const std::string& name);  // the format's own
std::string piece_name(std::uint64_t number);         // "000041"
std::vector<std::uint32_t> chunk_checksums(const void* data, std::uint64_t bytes);

// The checksums of all pieces of one file, in their order: what was read is what was written.
std::vector<std::vector<std::uint32_t>> verified_checksums(const std::string& path);

}  // namespace ortho
