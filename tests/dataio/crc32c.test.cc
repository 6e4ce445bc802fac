#include "dataio/crc32c.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/random.h"

namespace ortho {
namespace {

std::vector<std::uint8_t> random_bytes(std::size_t size) {
  const Random random(7, "crc32c test");
  std::vector<std::uint8_t> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(random.bits(i));
  return bytes;
}

// RFC 3720 (iSCSI), B.4, and the check value of the CRC catalogue.
TEST(Crc32c, KnownVectors) {
  std::vector<std::uint8_t> zeros(32, 0), ones(32, 0xff), up(32), down(32);
  for (std::uint8_t i = 0; i < 32; ++i) {
    up[i] = i;
    down[i] = static_cast<std::uint8_t>(31 - i);
  }
  for (const auto sum : {crc32c, crc32c_by_table}) {
    EXPECT_EQ(sum("123456789", 9, 0), 0xe3069283u);
    EXPECT_EQ(sum("", 0, 0), 0u);
    EXPECT_EQ(sum(zeros.data(), 32, 0), 0x8a9136aau);
    EXPECT_EQ(sum(ones.data(), 32, 0), 0x62a8ab43u);
    EXPECT_EQ(sum(up.data(), 32, 0), 0x46dd794eu);
    EXPECT_EQ(sum(down.data(), 32, 0), 0x113fdb5cu);
  }
}

// Lengths around the three-way stretch and its multiples, at odd addresses.
TEST(Crc32c, InstructionEqualsTable) {
  const auto bytes = random_bytes(40000);
  for (const std::size_t size : {1, 7, 8, 9, 63, 6143, 6144, 6145, 12287, 12288, 20000, 39990})
    for (const std::size_t start : {0, 1, 3, 8})
      ASSERT_EQ(crc32c(bytes.data() + start, size), crc32c_by_table(bytes.data() + start, size))
          << size << " bytes from " << start;
}

TEST(Crc32c, PiecesGiveTheWholeSum) {
  const auto bytes = random_bytes(30000);
  const auto whole = crc32c(bytes.data(), bytes.size());
  for (const std::size_t cut : {0, 1, 100, 6144, 9999, 30000}) {
    const auto head = crc32c(bytes.data(), cut);
    EXPECT_EQ(crc32c(bytes.data() + cut, bytes.size() - cut, head), whole) << "cut at " << cut;
  }
}

TEST(Crc32c, EveryFlippedBitShows) {
  auto bytes = random_bytes(8000);
  const auto whole = crc32c(bytes.data(), bytes.size());
  for (std::size_t at = 0; at < bytes.size(); at += 97)
    for (int bit = 0; bit < 8; ++bit) {
      bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ (1 << bit));
      ASSERT_NE(crc32c(bytes.data(), bytes.size()), whole);
      bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ (1 << bit));
    }
}

TEST(Crc32c, Text) {
  EXPECT_EQ(crc32c_text(0xe3069283u), "e3069283");
  EXPECT_EQ(crc32c_text(0), "00000000");
}

}  // namespace
}  // namespace ortho
