// UTF-8, strictly: what Unicode's table 3-7 calls well-formed, and nothing else.
//
// Refused: overlong forms, surrogates, code points past U+10FFFF, stray and missing continuation
// bytes. A byte order mark is a code point like any other and is kept.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ortho {

constexpr char32_t kLastCodePoint = 0x10FFFF;

// A code point that text may hold: not a surrogate, not past the last one.
constexpr bool is_code_point(std::uint32_t value) {
  return value <= kLastCodePoint && (value < 0xD800 || value > 0xDFFF);
}

bool is_utf8(std::string_view text);

// Error(data) naming `name` and the offset of the first byte of the ill-formed sequence; offsets
// are counted from `first_offset`, for callers that decode a long file piece by piece.
std::u32string decode_utf8(std::span<const std::uint8_t> bytes, const std::string& name,
                           std::uint64_t first_offset = 0);
std::u32string decode_utf8(std::string_view bytes, const std::string& name);

// Error(usage) when a value is not a code point.
std::string encode_utf8(std::u32string_view symbols);

// The largest cut <= `at` that splits no code point of well-formed `bytes`; at most bytes.size().
std::size_t utf8_boundary(std::span<const std::uint8_t> bytes, std::size_t at);

}  // namespace ortho
