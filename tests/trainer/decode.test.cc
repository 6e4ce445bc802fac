// One symbol from logits: exact small cases, and frequencies.
#include "trainer/decode.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/error.h"
#include "core/random.h"

namespace ortho {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

// Logits of the probabilities 0.5, 0.25, 0.125 and 0.125, not in order of size.
const std::vector<float> kLogits = {std::log(0.125F), std::log(0.5F), std::log(0.125F),
                                    std::log(0.25F)};

DecodeRule rule(double temperature, std::int64_t top_k = 0, double top_p = 1) {
  return {temperature, top_k, top_p, 1};
}

TEST(Decode, GreedyTakesTheFirstLargest) {
  for (const double uniform : {0.0, 0.5, 0.999}) {
    EXPECT_EQ(choose_symbol(kLogits, rule(0), uniform), 1);
    EXPECT_EQ(choose_symbol(std::vector<float>{2, 3, 3}, rule(0), uniform), 1);
  }
  EXPECT_EQ(choose_symbol(std::vector<float>{kNever, -5, kNever}, rule(0), 0.5), 1);
}

// Sorted by size the shares are 1: 0 … 0.5, 3: … 0.75, 0: … 0.875, 2: … 1.
TEST(Decode, UniformPicksByShare) {
  const auto pick = [](double uniform) { return choose_symbol(kLogits, rule(1), uniform); };
  EXPECT_EQ(pick(0), 1);
  EXPECT_EQ(pick(0.49), 1);
  EXPECT_EQ(pick(0.51), 3);
  EXPECT_EQ(pick(0.74), 3);
  EXPECT_EQ(pick(0.76), 0);
  EXPECT_EQ(pick(0.88), 2);
  EXPECT_EQ(pick(0.999999), 2);
}

// At temperature 1/2 probabilities are squared: 16, 4, 1 and 1 of 22.
TEST(Decode, TemperatureSharpens) {
  EXPECT_EQ(choose_symbol(kLogits, rule(0.5), 15.9 / 22), 1);
  EXPECT_EQ(choose_symbol(kLogits, rule(0.5), 16.1 / 22), 3);
  EXPECT_EQ(choose_symbol(kLogits, rule(0.5), 20.1 / 22), 0);
  EXPECT_EQ(choose_symbol(kLogits, rule(1e-6), 0.999999), 1);  // nearly greedy
}

TEST(Decode, TopKKeepsTheLargest) {
  EXPECT_EQ(choose_symbol(kLogits, rule(1, 1), 0.999), 1);
  EXPECT_EQ(choose_symbol(kLogits, rule(1, 2), 0.66), 1);  // 2/3 and 1/3
  EXPECT_EQ(choose_symbol(kLogits, rule(1, 2), 0.67), 3);
  EXPECT_EQ(choose_symbol(kLogits, rule(1, 2), 0.999), 3);
  EXPECT_EQ(choose_symbol(kLogits, rule(1, 99), 0.999), 2);
}

TEST(Decode, TopPKeepsTheSmallestSetThatReachesIt) {
  EXPECT_EQ(choose_symbol(kLogits, rule(1, 0, 0.4), 0.999), 1);
  EXPECT_EQ(choose_symbol(kLogits, rule(1, 0, 0.6), 0.999), 3);
  EXPECT_EQ(choose_symbol(kLogits, rule(1, 0, 0.8), 0.999), 0);
  EXPECT_EQ(choose_symbol(kLogits, rule(1, 0, 0.9), 0.999), 2);
  EXPECT_EQ(choose_symbol(kLogits, rule(1, 2, 0.7), 0.999), 3);  // of the two kept: 2/3 < 0.7
  EXPECT_EQ(choose_symbol(kLogits, rule(1, 2, 0.6), 0.999), 1);
}

TEST(Decode, MinusInfinityIsNeverChosen) {
  const std::vector<float> logits = {kNever, 0, kNever, 0};
  const Random random(1, "decode");
  for (std::uint64_t i = 0; i < 1000; ++i)
    EXPECT_EQ(choose_symbol(logits, rule(2), random.uniform(i)) % 2, 1);
  EXPECT_EQ(choose_symbol(logits, rule(1), std::nextafter(1.0, 0.0)), 3);
}

TEST(Decode, Frequencies) {
  constexpr int kDraws = 20000;
  std::vector<int> counts(4);
  const Random random(7, "decode");
  for (std::uint64_t i = 0; i < kDraws; ++i)
    ++counts[static_cast<size_t>(choose_symbol(kLogits, rule(1), random.uniform(i)))];
  const double probability[] = {0.125, 0.5, 0.125, 0.25};
  for (size_t s = 0; s < 4; ++s) {
    // Five standard deviations of a binomial count: one seed in about two million misses it.
    const double p = probability[s], bound = 5 * std::sqrt(kDraws * p * (1 - p));
    EXPECT_NEAR(counts[s], kDraws * p, bound) << s;
  }
}

TEST(Decode, Refuses) {
  EXPECT_THROW(choose_symbol(kLogits, rule(-1), 0.5), Error);
  EXPECT_THROW(choose_symbol(kLogits, rule(1, -1), 0.5), Error);
  EXPECT_THROW(choose_symbol(kLogits, rule(1, 0, 0), 0.5), Error);
  EXPECT_THROW(choose_symbol(kLogits, rule(1, 0, 1.1), 0.5), Error);
  EXPECT_THROW(choose_symbol(std::vector<float>{kNever, kNever}, rule(1), 0.5), Error);
  EXPECT_THROW(choose_symbol(std::vector<float>{std::nanf("")}, rule(1), 0.5), Error);
  EXPECT_THROW(choose_symbol({}, rule(1), 0.5), Error);
}

}  // namespace
}  // namespace ortho
