#include "dataio/record.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"

namespace ortho {
namespace {

constexpr const char* kPartKindNames[] = {"text", "image", "audio", "video", "label"};
constexpr const char* kDTypeNames[] = {"u8", "u16", "u32", "i16"};
constexpr const char* kSplitNames[] = {"train", "valid", "test"};

bool type_suits(PartKind kind, DType dtype) {
  switch (kind) {
    case PartKind::text:
    case PartKind::label:
      return dtype != DType::i16;
    case PartKind::image:
    case PartKind::video:
      return dtype == DType::u8;
    case PartKind::audio:
      return dtype == DType::i16;
  }
  return false;
}

bool shape_suits(PartKind kind, const std::array<std::uint32_t, 4>& shape) {
  switch (kind) {
    case PartKind::text:
    case PartKind::label:
      return shape[1] == 1 && shape[2] == 1 && shape[3] == 1;
    case PartKind::image:
      return shape[0] == 1 && shape[3] == 3;
    case PartKind::audio:
      return shape[1] == 1 && shape[2] == 1;
    case PartKind::video:
      return shape[3] == 3;
  }
  return false;
}

}  // namespace

std::uint64_t bytes_of(DType dtype) {
  switch (dtype) {
    case DType::u8:
      return 1;
    case DType::u16:
    case DType::i16:
      return 2;
    case DType::u32:
      return 4;
  }
  return 0;
}

const char* part_kind_name(PartKind kind) { return kPartKindNames[static_cast<size_t>(kind)]; }
const char* dtype_name(DType dtype) { return kDTypeNames[static_cast<size_t>(dtype)]; }
const char* split_name(Split split) { return kSplitNames[static_cast<size_t>(split)]; }

std::uint64_t part_bytes(const std::array<std::uint32_t, 4>& shape, DType dtype) {
  std::uint64_t product = bytes_of(dtype);
  for (const std::uint64_t size : shape)
    if (__builtin_mul_overflow(product, size, &product) || product > (std::uint64_t{1} << 62))
      return 0;
  return product;
}

std::string part_fault(PartKind kind, DType dtype, const std::array<std::uint32_t, 4>& shape,
                       const std::array<std::uint32_t, 2>& rate) {
  if (static_cast<int>(kind) >= kPartKinds)
    return text("unknown modality ", static_cast<int>(kind));
  if (dtype > DType::i16) return text("unknown type ", static_cast<int>(dtype));
  const char* name = part_kind_name(kind);
  if (!type_suits(kind, dtype)) return text(name, " of type ", dtype_name(dtype));
  if (!shape_suits(kind, shape)) return text(name, " of shape ", list_text(shape));
  if (part_bytes(shape, dtype) == 0)
    return text(name, " of shape ", list_text(shape), ", empty or too large");
  const bool timed = kind == PartKind::audio || kind == PartKind::video;
  if (rate[1] == 0 || (timed ? rate[0] == 0 : rate[0] != 0))
    return text(name, " with rate ", rate[0], '/', rate[1]);
  return {};
}

Part text_part(const std::vector<std::uint32_t>& points) {
  const std::uint32_t largest =
      points.empty() ? 0 : *std::max_element(points.begin(), points.end());
  REQUIRE(!points.empty() && points.size() <= UINT32_MAX,
          "a text part holds 1 to 2^32 - 1 symbols, not ", points.size());
  Part part;
  part.dtype = largest < 0x100 ? DType::u8 : largest < 0x10000 ? DType::u16 : DType::u32;
  part.shape = {static_cast<std::uint32_t>(points.size()), 1, 1, 1};
  const std::uint64_t width = bytes_of(part.dtype);
  part.bytes.resize(points.size() * width);
  for (size_t i = 0; i < points.size(); ++i)
    std::memcpy(part.bytes.data() + i * width, &points[i], width);  // little endian: the low bytes
  return part;
}

std::vector<std::uint32_t> code_points(const std::uint8_t* bytes, DType dtype,
                                       std::uint64_t count) {
  std::vector<std::uint32_t> points(count);
  const std::uint64_t width = bytes_of(dtype);
  for (std::uint64_t i = 0; i < count; ++i) std::memcpy(&points[i], bytes + i * width, width);
  return points;
}

}  // namespace ortho
