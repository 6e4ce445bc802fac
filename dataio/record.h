// A Record is one thing to learn from: parts in order,
// such as an image, its caption, and the caption spoken.
//
// A Part holds raw values (code points, pixels, samples, a class),
// never table rows: what they mean to a model is decided when they are read.
// The numbers of the enums are stored in shards (format version 1).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace ortho {

enum class PartKind : std::uint8_t { text = 0, image = 1, audio = 2, video = 3, label = 4 };
constexpr int kPartKinds = 5;

enum class DType : std::uint8_t { u8 = 0, u16 = 1, u32 = 2, i16 = 3 };

enum class Split : std::uint8_t { train = 0, valid = 1, test = 2 };
constexpr int kSplits = 3;

struct Part {
  PartKind kind = PartKind::text;
  // text: u8, u16 or u32; image, video: u8; audio: i16; label: u8, u16 or u32
  DType dtype = DType::u8;
  // text, label {n,1,1,1}; image {1,H,W,3}; video {T,H,W,3}; audio {n,1,1,channels}; never empty
  std::array<std::uint32_t, 4> shape{};
  std::array<std::uint32_t, 2> rate = {
      0, 1};                        // audio, video: samples or frames per second, a fraction
  std::vector<std::uint8_t> bytes;  // row-major, little endian
};

struct Record {
  std::vector<Part> parts;  // at least one
  std::string source;       // UTF-8 name of the raw file
  Split split = Split::train;
};

std::uint64_t bytes_of(DType dtype);                                               // of one value
const char* part_kind_name(PartKind kind);                                         // "text"
const char* dtype_name(DType dtype);                                               // "u8"
const char* split_name(Split split);                                               // "train"
std::uint64_t part_bytes(const std::array<std::uint32_t, 4>& shape, DType dtype);  // 0 past 2^62

// What is wrong with a part of this kind, type, shape and rate, in words; empty when nothing is.
std::string part_fault(PartKind kind, DType dtype, const std::array<std::uint32_t, 4>& shape,
                       const std::array<std::uint32_t, 2>& rate);

// Code points at the narrowest of 1, 2, 4 bytes, as a part; and back.
Part text_part(const std::vector<std::uint32_t>& code_points);
std::vector<std::uint32_t> code_points(const std::uint8_t* bytes, DType dtype, std::uint64_t count);

}  // namespace ortho
