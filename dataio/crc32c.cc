#include "dataio/crc32c.h"

#include <array>
#include <bit>
#include <cstring>

namespace ortho {
namespace {

static_assert(std::endian::native == std::endian::little, "eight bytes are taken as one number");

constexpr std::uint32_t kPolynomial = 0x82f63b78;
constexpr std::size_t kStretch = 2048;  // bytes of each of the three streams between two joins

using Table = std::array<std::array<std::uint32_t, 256>, 8>;

// tables[k][b]: what byte b becomes after it and k zero bytes.
constexpr Table byte_tables() {
  Table tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t sum = byte;
    for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ ((sum & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = sum;
  }
  for (std::size_t k = 1; k < 8; ++k)
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t sum = tables[k - 1][byte];
      tables[k][byte] = (sum >> 8) ^ tables[0][sum & 0xff];
    }
  return tables;
}

constexpr Table kTables = byte_tables();

std::uint64_t eight_bytes(const std::uint8_t* at) {
  std::uint64_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// Sums here and below are without the inversions at start and end.
std::uint32_t sum_by_table(std::uint32_t sum, const std::uint8_t* at, std::size_t size) {
  for (; size >= 8; at += 8, size -= 8) {
    const std::uint64_t mixed = eight_bytes(at) ^ sum;
    sum = 0;
    for (std::size_t k = 0; k < 8; ++k) sum ^= kTables[7 - k][(mixed >> (8 * k)) & 0xff];
  }
  for (; size > 0; ++at, --size) sum = (sum >> 8) ^ kTables[0][(sum ^ *at) & 0xff];
  return sum;
}

// after[k][b]: what byte k of a sum, with value b, becomes after kStretch zero bytes.
using AfterStretch = std::array<std::array<std::uint32_t, 256>, 4>;

AfterStretch after_stretch() {
  const std::array<std::uint8_t, kStretch> zeros{};
  AfterStretch after{};
  for (std::size_t k = 0; k < 4; ++k)
    for (std::uint32_t bit = 0; bit < 8; ++bit) {
      const std::uint32_t image =
          sum_by_table(std::uint32_t{1} << (8 * k + bit), zeros.data(), kStretch);
      for (std::size_t byte = 0; byte < 256; ++byte)
        if ((byte >> bit & 1) != 0) after[k][byte] ^= image;
    }
  return after;
}

std::uint32_t advance(const AfterStretch& after, std::uint32_t sum) {
  return after[0][sum & 0xff] ^ after[1][sum >> 8 & 0xff] ^ after[2][sum >> 16 & 0xff] ^
         after[3][sum >> 24];
}

__attribute__((target("sse4.2"))) std::uint32_t sum_by_instruction(std::uint32_t sum,
                                                                   const std::uint8_t* at,
                                                                   std::size_t size) {
  static const AfterStretch after = after_stretch();
  for (; size >= 3 * kStretch; at += 3 * kStretch, size -= 3 * kStretch) {
    std::uint64_t first = sum, second = 0, third = 0;
    for (std::size_t i = 0; i < kStretch; i += 8) {
      first = __builtin_ia32_crc32di(first, eight_bytes(at + i));
      second = __builtin_ia32_crc32di(second, eight_bytes(at + kStretch + i));
      third = __builtin_ia32_crc32di(third, eight_bytes(at + 2 * kStretch + i));
    }
    sum = advance(after, static_cast<std::uint32_t>(first)) ^ static_cast<std::uint32_t>(second);
    sum = advance(after, sum) ^ static_cast<std::uint32_t>(third);
  }
  std::uint64_t rest = sum;
  for (; size >= 8; at += 8, size -= 8) rest = __builtin_ia32_crc32di(rest, eight_bytes(at));
  sum = static_cast<std::uint32_t>(rest);
  for (; size > 0; ++at, --size) sum = __builtin_ia32_crc32qi(sum, *at);
  return sum;
}

bool has_instruction() {
  static const bool has = __builtin_cpu_supports("sse4.2") != 0;
  return has;
}

}  // namespace

std::uint32_t crc32c(const void* data, std::size_t size, std::uint32_t before) {
  const auto* at = static_cast<const std::uint8_t*>(data);
  return ~(has_instruction() ? sum_by_instruction(~before, at, size)
                             : sum_by_table(~before, at, size));
}

std::uint32_t crc32c_by_table(const void* data, std::size_t size, std::uint32_t before) {
  return ~sum_by_table(~before, static_cast<const std::uint8_t*>(data), size);
}

std::string crc32c_text(std::uint32_t sum) {
  std::string digits(8, '0');
  for (std::size_t i = 0; i < 8; ++i) digits[i] = "0123456789abcdef"[sum >> (28 - 4 * i) & 0xf];
  return digits;
}

}  // namespace ortho
