#include "dataio/media/utf8.h"

#include <algorithm>
#include <cstring>
#include <ios>

#include "core/error.h"

namespace ortho {
namespace {

// One row of table 3-7: how many bytes follow a first byte, and the bounds
// of the second byte. The second byte's bounds alone exclude overlong
// forms (E0, F0), surrogates (ED) and values past U+10FFFF (F4).
struct Row {
  int following;  // -1: no sequence starts with this byte
  std::uint8_t second_lo, second_hi;
};

Row row_of(std::uint8_t first) {
  if (first < 0x80) return {0, 0, 0};
  if (first < 0xC2) return {-1, 0, 0};
  if (first < 0xE0) return {1, 0x80, 0xBF};
  if (first == 0xE0) return {2, 0xA0, 0xBF};
  if (first == 0xED) return {2, 0x80, 0x9F};
  if (first < 0xF0) return {2, 0x80, 0xBF};
  if (first == 0xF0) return {3, 0x90, 0xBF};
  if (first < 0xF4) return {3, 0x80, 0xBF};
  if (first == 0xF4) return {3, 0x80, 0x8F};
  return {-1, 0, 0};
}

[[noreturn]] void fail_at(std::span<const std::uint8_t> bytes, std::size_t at,
                          const std::string& name, std::uint64_t first_offset) {
  std::ostringstream hex;
  hex << std::hex << std::uppercase;
  for (std::size_t i = at; i < std::min(at + 4, bytes.size()); ++i)
    hex << (i == at ? "" : " ") << (bytes[i] >> 4) << (bytes[i] & 15);
  fail(ErrorKind::data, text(name, " is not valid UTF-8 at byte ", first_offset + at, " (",
                             hex.str(), "). Convert the file to UTF-8, for example with iconv."));
}

constexpr std::uint64_t kHighBits = 0x8080808080808080u;

}  // namespace

std::u32string decode_utf8(std::span<const std::uint8_t> bytes, const std::string& name,
                           std::uint64_t first_offset) {
  std::u32string symbols(bytes.size(), U'\0');  // never more symbols than bytes
  char32_t* out = symbols.data();
  std::size_t at = 0;
  while (at < bytes.size()) {
    std::uint64_t eight = 0;
    while (at + 8 <= bytes.size()) {  // eight ASCII bytes at a time
      std::memcpy(&eight, bytes.data() + at, 8);
      if ((eight & kHighBits) != 0) break;
      for (std::size_t i = 0; i < 8; ++i) *out++ = bytes[at + i];
      at += 8;
    }
    if (at == bytes.size()) break;
    const Row row = row_of(bytes[at]);
    if (row.following == 0) {
      *out++ = bytes[at++];
      continue;
    }
    const auto following = static_cast<std::size_t>(std::max(row.following, 0));
    if (following == 0 || bytes.size() - at <= following || bytes[at + 1] < row.second_lo ||
        bytes[at + 1] > row.second_hi)
      fail_at(bytes, at, name, first_offset);
    char32_t value = bytes[at] & (0x3Fu >> following);
    for (std::size_t i = 1; i <= following; ++i) {
      if ((bytes[at + i] & 0xC0) != 0x80) fail_at(bytes, at, name, first_offset);
      value = (value << 6) | (bytes[at + i] & 0x3Fu);
    }
    *out++ = value;
    at += following + 1;
  }
  symbols.resize(static_cast<std::size_t>(out - symbols.data()));
  return symbols;
}

std::u32string decode_utf8(std::string_view bytes, const std::string& name) {
  return decode_utf8({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, name, 0);
}

std::string encode_utf8(std::u32string_view symbols) {
  std::string out;
  out.reserve(symbols.size());
  const auto put = [&out](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  for (const char32_t symbol : symbols) {
    const std::uint32_t value = symbol;
    REQUIRE(is_code_point(value), "value ", value, " is not a Unicode code point");
    if (value < 0x80) {
      put(value);
    } else if (value < 0x800) {
      put(0xC0 | (value >> 6));
      put(0x80 | (value & 0x3F));
    } else if (value < 0x10000) {
      put(0xE0 | (value >> 12));
      put(0x80 | ((value >> 6) & 0x3F));
      put(0x80 | (value & 0x3F));
    } else {
      put(0xF0 | (value >> 18));
      put(0x80 | ((value >> 12) & 0x3F));
      put(0x80 | ((value >> 6) & 0x3F));
      put(0x80 | (value & 0x3F));
    }
  }
  return out;
}

std::size_t utf8_boundary(std::span<const std::uint8_t> bytes, std::size_t at) {
  if (at >= bytes.size()) return bytes.size();
  // At most three continuation bytes follow a first.
  const std::size_t lowest = at > 3 ? at - 3 : 0;
  for (std::size_t cut = at; cut > lowest; --cut)
    if ((bytes[cut] & 0xC0) != 0x80) return cut;
  return lowest;
}

}  // namespace ortho
