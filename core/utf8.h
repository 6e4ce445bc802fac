// UTF-8 of one code point, for whoever writes text; dataio/media/utf8.h reads it, strictly.
#pragma once

#include <cstdint>
#include <string>

namespace ortho {

// `code_point` is at most U+10FFFF and no surrogate: the caller has checked it.
void append_utf8(std::string& out, std::uint32_t code_point);

}  // namespace ortho
