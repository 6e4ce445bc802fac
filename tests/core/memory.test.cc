#include "core/memory.h"

#include <gtest/gtest.h>

#include <vector>

namespace ortho {
namespace {

TEST(Memory, CountsWhatIsTouched) {
  constexpr std::int64_t kBytes = 64 << 20;
  const std::int64_t before = resident_bytes();
  EXPECT_GT(before, 0);
  {
    const std::vector<char> touched(kBytes, 'x');
    EXPECT_GE(resident_bytes(), before + kBytes * 9 / 10 * touched.back() / 'x');
  }
  EXPECT_GE(peak_resident_bytes(), before + kBytes * 9 / 10);
}

}  // namespace
}  // namespace ortho
