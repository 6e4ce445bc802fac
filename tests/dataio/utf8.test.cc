#include "dataio/media/utf8.h"

#include <gtest/gtest.h>
#include <iconv.h>

#include <array>
#include <optional>

#include "tests/support/errors.h"
#include "tests/support/hostile.h"

namespace ortho {
namespace {

// glibc's converter as the independent judge.
class Judge {
 public:
  Judge() : converter_(::iconv_open("UTF-32LE", "UTF-8")) {}
  ~Judge() { ::iconv_close(converter_); }
  Judge(const Judge&) = delete;
  Judge& operator=(const Judge&) = delete;

  std::optional<std::u32string> decode(const Bytes& bytes) {
    ::iconv(converter_, nullptr, nullptr, nullptr, nullptr);
    std::array<char32_t, 16> out{};
    char* from = const_cast<char*>(reinterpret_cast<const char*>(bytes.data()));
    char* to = reinterpret_cast<char*>(out.data());
    std::size_t given = bytes.size(), room = sizeof(out);
    if (::iconv(converter_, &from, &given, &to, &room) == static_cast<std::size_t>(-1) ||
        given != 0)
      return std::nullopt;
    return std::u32string(out.data(), (sizeof(out) - room) / sizeof(char32_t));
  }

 private:
  iconv_t converter_;
};

std::optional<std::u32string> ours(const Bytes& bytes) {
  try {
    return decode_utf8(bytes, "bytes");
  } catch (const Error&) {
    return std::nullopt;
  }
}

TEST(Utf8, AllStringsOfOneAndTwoBytesAsIconvSays) {
  Judge judge;
  for (int a = 0; a < 256; ++a) {
    const Bytes one = {static_cast<std::uint8_t>(a)};
    ASSERT_EQ(ours(one), judge.decode(one)) << a;
    for (int b = 0; b < 256; ++b) {
      const Bytes two = {one[0], static_cast<std::uint8_t>(b)};
      ASSERT_EQ(ours(two), judge.decode(two)) << a << " " << b;
    }
  }
}

// Three and four bytes: all first bytes that lead somewhere,
// second and later bytes at and around every bound.
TEST(Utf8, LongerStringsAtEveryBoundAsIconvSays) {
  Judge judge;
  const Bytes bounds = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xE1, 0xFF};
  int valid = 0;
  for (int first = 0x80; first < 256; ++first)
    for (const auto b : bounds)
      for (const auto c : bounds) {
        const Bytes three = {static_cast<std::uint8_t>(first), b, c};
        ASSERT_EQ(ours(three), judge.decode(three));
        for (const auto d : bounds) {
          const Bytes four = {static_cast<std::uint8_t>(first), b, c, d};
          const auto expected = judge.decode(four);
          ASSERT_EQ(ours(four), expected);
          valid += expected.has_value() ? 1 : 0;
        }
      }
  EXPECT_GT(valid, 1000);
}

TEST(Utf8, EveryCodePointComesBackAndNothingElseIsEncoded) {
  for (std::uint32_t value = 0; value <= kLastCodePoint; ++value) {
    if (!is_code_point(value)) continue;
    const std::u32string one(1, static_cast<char32_t>(value));
    const std::string bytes = encode_utf8(one);
    ASSERT_EQ(bytes.size(), value < 0x80 ? 1u : value < 0x800 ? 2u : value < 0x10000 ? 3u : 4u);
    ASSERT_EQ(decode_utf8(bytes, "bytes"), one);
  }
  for (const char32_t bad : {char32_t{0xD800}, char32_t{0xDFFF}, char32_t{0x110000}})
    message_of([&] { encode_utf8(std::u32string(1, bad)); }, ErrorKind::usage);
}

TEST(Utf8, AnErrorNamesFileOffsetAndBytes) {
  const Bytes bytes = bytes_of_text(std::string(1000, 'a') + "\xE2\x82(b");
  const std::string message =
      message_of([&] { decode_utf8(bytes, "book.txt", 5000); }, ErrorKind::data);
  EXPECT_NE(message.find("book.txt is not valid UTF-8 at byte 6000 (E2 82 28 62)"),
            std::string::npos)
      << message;
  message_of([] { decode_utf8(std::string_view("abc\xF0\x9F\x98"), "cut.txt"); }, ErrorKind::data);
}

TEST(Utf8, BoundariesSplitNoCodePoint) {
  const Bytes bytes = bytes_of_text("a\u00e9\u20ac\U0001F600z");  // 1 + 2 + 3 + 4 + 1 bytes
  const std::vector<std::size_t> expected = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
  for (std::size_t at = 0; at < expected.size(); ++at)
    EXPECT_EQ(utf8_boundary(bytes, at), expected[at]) << at;
}

}  // namespace
}  // namespace ortho
