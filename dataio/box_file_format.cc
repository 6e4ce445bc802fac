#include "dataio/box_file_format.h"

#include <algorithm>
#include <iomanip>
#include <sstream>

#include "dataio/crc32c.h"

namespace ortho {

const char* box_type_name(BoxType type) {
  constexpr const char* kNames[] = {"f32", "f64", "i64"};
  return kNames[static_cast<size_t>(type)];
}

Number number_of(BoxType type) {
  switch (type) {
    case BoxType::f32:
      return Number::f32;
    case BoxType::f64:
      return Number::f64;
    case BoxType::i64:
      return Number::i64;
  }
  return Number::f32;
}

std::uint64_t bytes_of(BoxType type) { return type == BoxType::f32 ? 4 : 8; }

std::string piece_name(std::uint64_t number) {
  std::ostringstream name;
  name << std::setfill('0') << std::setw(6) << number;
  return name.str();
}

std::vector<std::uint32_t> chunk_checksums(const void* data, std::uint64_t bytes) {
  const auto* at = static_cast<const std::uint8_t*>(data);
  std::vector<std::uint32_t> sums;
  for (std::uint64_t done = 0; done < bytes; done += kBoxChunkBytes)
    sums.push_back(crc32c(at + done, std::min(kBoxChunkBytes, bytes - done)));
  return sums;
}

}  // namespace ortho
