// What a decoder must survive: every truncation and many changes of a valid file.
//
// A decoder may return something or throw an Error
// of kind data that names the file; anything else fails.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/random.h"
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

// One kind of damage, all drawn from `random`: flipped bits, a run of one value, a copied run, a
// cut. A third of the places are in the first 4 KiB, where heads and directories lie.
inline Bytes damaged(Bytes bytes, const Random& random) {
  std::uint64_t draws = 0;
  const auto below = [&](std::uint64_t bound) { return random.below(draws++, bound); };
  const auto place = [&] {
    const std::uint64_t end = below(3) == 0 ? std::min<std::uint64_t>(4096, bytes.size()) : 0;
    return static_cast<std::ptrdiff_t>(below(end > 0 ? end : bytes.size()));
  };
  const std::ptrdiff_t at = place();
  const auto room = static_cast<std::ptrdiff_t>(bytes.size()) - at;
  const auto run = std::min<std::ptrdiff_t>(room, 1 + static_cast<std::ptrdiff_t>(below(63)));
  switch (below(8)) {
    case 0:
      bytes.resize(static_cast<std::size_t>(at));
      break;
    case 1:
      std::fill_n(bytes.begin() + at, run, below(2) == 0 ? 0x00 : 0xff);
      break;
    case 2: {
      const Bytes before = bytes;
      const auto from = std::min(place(), static_cast<std::ptrdiff_t>(bytes.size()) - run);
      std::copy_n(before.begin() + from, run, bytes.begin() + at);
      break;
    }
    default:
      for (std::ptrdiff_t i = 0; i < 1 + run / 8; ++i)
        bytes[static_cast<std::size_t>(place())] ^= static_cast<std::uint8_t>(1u << below(8));
  }
  return bytes;
}

inline Bytes bytes_of_text(const std::string& text) { return {text.begin(), text.end()}; }

}  // namespace ortho
