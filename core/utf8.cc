#include "core/utf8.h"

namespace ortho {

void append_utf8(std::string& out, std::uint32_t code_point) {
  const auto byte = [&](std::uint32_t b) { out += static_cast<char>(b); };
  const auto following = [&](int shift) { byte(0x80 | ((code_point >> shift) & 0x3f)); };
  if (code_point < 0x80) {
    byte(code_point);
  } else if (code_point < 0x800) {
    byte(0xc0 | (code_point >> 6));
    following(0);
  } else if (code_point < 0x10000) {
    byte(0xe0 | (code_point >> 12));
    following(6);
    following(0);
  } else {
    byte(0xf0 | (code_point >> 18));
    following(12);
    following(6);
    following(0);
  }
}

}  // namespace ortho
