#include "tensor/buffer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <vector>

namespace ortho {
namespace {

// Bytes of this process that lie in memory.
std::int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t whole = 0, resident = 0;
  file >> whole >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

TEST(Buffer, IsAlignedAndZero) {
  for (const std::int64_t count : {0, 1, 16, 17, 3 << 20}) {
    const Buffer<float> buffer(count, "test");
    ASSERT_NE(buffer.data(), nullptr);
    const auto place = reinterpret_cast<std::uintptr_t>(buffer.data());
    EXPECT_EQ(place % (count > 1000 ? 2 << 20 : 64), 0u) << count;
    for (std::int64_t i = 0; i < count; ++i) ASSERT_EQ(buffer[i], 0) << count;
  }
}

TEST(Buffer, TakesNoHugePageMoreThanItFills) {
  constexpr std::int64_t kBuffers = 16, kBytes = 4 << 20;
  const std::int64_t before = resident_bytes();
  std::vector<Buffer<float>> buffers;
  for (int i = 0; i < kBuffers; ++i) buffers.emplace_back(kBytes / 4, "test");
  const std::int64_t taken = resident_bytes() - before;
  EXPECT_GE(taken, kBuffers * kBytes);
  // An eighth for a sanitizer's notes, as much for all else; a page more each were a half.
  EXPECT_LE(taken, kBuffers * kBytes * 5 / 4);
}

}  // namespace
}  // namespace ortho
