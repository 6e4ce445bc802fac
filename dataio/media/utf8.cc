#include "dataio/media/utf8.h"

#include <algorithm>
#include <cstring>
#include <ios>

#include "core/error.h"
#include "core/utf8.h"

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

// Bytes of the well-formed sequence that begins at `at`; 0 when none does.
std::size_t sequence_length(std::span<const std::uint8_t> bytes, std::size_t at) {
  const Row row = row_of(bytes[at]);
  if (row.following <= 0) return row.following == 0 ? 1 : 0;
  const auto following = static_cast<std::size_t>(row.following);
  if (bytes.size() - at <= following) return 0;
  if (bytes[at + 1] < row.second_lo || bytes[at + 1] > row.second_hi) return 0;
  for (std::size_t i = 2; i <= following; ++i)
    if ((bytes[at + i] & 0xC0) != 0x80) return 0;
  return following + 1;
}

std::span<const std::uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

constexpr std::uint64_t kHighBits = 0x8080808080808080u;

}  // namespace

bool is_utf8(std::string_view text) {
  const auto bytes = as_bytes(text);
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t length = sequence_length(bytes, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

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
    const std::size_t length = sequence_length(bytes, at);
    if (length == 0) fail_at(bytes, at, name, first_offset);
    char32_t value = bytes[at] & (length == 1 ? 0x7Fu : 0x7Fu >> length);
    for (std::size_t i = 1; i < length; ++i) value = (value << 6) | (bytes[at + i] & 0x3Fu);
    *out++ = value;
    at += length;
  }
  symbols.resize(static_cast<std::size_t>(out - symbols.data()));
  return symbols;
}

std::u32string decode_utf8(std::string_view bytes, const std::string& name) {
  return decode_utf8(as_bytes(bytes), name, 0);
}

std::string encode_utf8(std::u32string_view symbols) {
  std::string out;
  out.reserve(symbols.size());
  for (const char32_t symbol : symbols) {
    const std::uint32_t value = symbol;
    REQUIRE(is_code_point(value), "value ", value, " is not a Unicode code point");
    append_utf8(out, value);
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
