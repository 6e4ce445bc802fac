// What a decoder must survive: every truncation and many changes of a valid file.
//
// A decoder may return something or throw an Error
// of kind data that names the file; anything else fails.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/error.h"
#include "tests/support/errors.h"

namespace ortho {

using Bytes = std::vector<std::uint8_t>;
using Decode = std::function<void(const Bytes& bytes, const std::string& name)>;

inline bool decodes(const Bytes& bytes, const Decode& decode) {
  try {
    decode(bytes, "hostile.file");
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(ErrorKind::data)) << error.what();
    EXPECT_NE(std::string(error.what()).find("hostile.file"), std::string::npos) << error.what();
    return false;
  }
}

// Every shorter prefix is refused, except those at
// least `optional_tail` bytes short of nothing at all.
inline void expect_truncations_refused(const Bytes& bytes, const Decode& decode,
                                       std::size_t optional_tail = 0) {
  ASSERT_TRUE(decodes(bytes, decode));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    // A copy of exactly that size, so that the address sanitizer sees a read past its end.
    const Bytes prefix(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    const bool fine = decodes(prefix, decode);
    if (size + optional_tail < bytes.size()) {
      EXPECT_FALSE(fine) << "cut at " << size;
    }
  }
}

inline void expect_changes_survived(const Bytes& bytes, const Decode& decode) {
  for (std::size_t at = 0; at < bytes.size(); ++at)
    for (const int flip : {0x01, 0x10, 0x80, 0xFF}) {
      Bytes changed = bytes;
      changed[at] = static_cast<std::uint8_t>(changed[at] ^ flip);
      decodes(changed, decode);
    }
}

inline Bytes bytes_of_text(const std::string& text) { return {text.begin(), text.end()}; }

}  // namespace ortho
