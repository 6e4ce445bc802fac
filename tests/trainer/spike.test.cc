#include "trainer/spike.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/errors.h"

namespace ortho {
namespace {

constexpr SpikeRule kRule = {10, 9};

StepHistory usual() {
  StepHistory history;
  for (const double loss : {2.0, 2.2, 1.9, 2.1, 2.0, 1.8, 2.1, 2.0, 1.9})
    remember(history, loss, 10 * loss, kRule);
  return history;
}

TEST(Spike, IsFarAboveTheMedian) {
  const StepHistory history = usual();
  // Median 2.0, MAD 0.1: the limit is 2 + 10 * 0.14826.
  EXPECT_NEAR(highest_loss(history, kRule), 3.4826, 1e-9);  // rounding of decimal fractions
  EXPECT_EQ(spike_text(history, 3.4, 20, kRule), "");
  expect_in("loss 3.6 where the last 9 steps had 2", spike_text(history, 3.6, 20, kRule));
  expect_in("gradient norm 36 where", spike_text(history, 2, 36, kRule));
  EXPECT_EQ(spike_text(history, 0.1, 0.1, kRule), "") << "a low loss is welcome";
}

TEST(Spike, NeedsAFullWindowAndARule) {
  StepHistory history;
  for (int i = 0; i < 8; ++i) remember(history, 2, 2, kRule);
  EXPECT_EQ(spike_text(history, 1e9, 1e9, kRule), "");
  EXPECT_EQ(spike_text(usual(), 1e9, 1e9, {0, 9}), "");
}

TEST(Spike, EqualValuesStillHaveASpread) {
  StepHistory history;
  for (int i = 0; i < 9; ++i) remember(history, 2, 2, kRule);
  EXPECT_EQ(spike_text(history, 2.1, 2, kRule), "");
  EXPECT_NE(spike_text(history, 2.3, 2, kRule), "");
}

// What is not finite never gets in, and four wild steps of nine move the limit by little.
TEST(Spike, IsNotBlinded) {
  StepHistory history = usual();
  const double limit = highest_loss(history, kRule);
  for (int i = 0; i < 100; ++i) {
    remember(history, std::nan(""), 20, kRule);
    remember(history, 2, std::numeric_limits<double>::infinity(), kRule);
  }
  EXPECT_EQ(highest_loss(history, kRule), limit);
  for (int i = 0; i < 4; ++i) remember(history, 1e6, 1e6, kRule);
  EXPECT_EQ(history.losses.size(), 9u);
  EXPECT_LT(highest_loss(history, kRule), 10);
}

}  // namespace
}  // namespace ortho
