#include "dataio/masking.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "dataio/window.h"

namespace ortho {
namespace {

MaskDraw draw(std::int64_t first, std::int64_t place, std::int64_t group, std::int64_t epoch = 0) {
  return {5, epoch, first, place, group};
}

// One window a stratum: of 8 windows of 64 tokens one hides 1 … 8, one 9 … 16 and so on, up to the
// common turn, and over many batches each window by itself hides every number as often.
TEST(Masking, CountsAreSpreadOverTheBatch) {
  std::vector<int> of_first(64, 0);
  for (std::int64_t batch = 0; batch < 6400; ++batch) {
    std::vector<std::int64_t> counts;
    for (std::int64_t w = 0; w < 8; ++w) counts.push_back(masked_count(draw(8 * batch, w, 8), 64));
    ++of_first[static_cast<size_t>(counts[0] - 1)];
    std::sort(counts.begin(), counts.end());
    ASSERT_GE(counts.front(), 1);
    ASSERT_LE(counts.back(), 64);
    for (size_t w = 1; w < 8; ++w) ASSERT_EQ(counts[w] - counts[w - 1], 8);
  }
  for (const int times : of_first) EXPECT_NEAR(times, 100, 50);  // five standard deviations
}

TEST(Masking, APermutationDecidesWhich) {
  std::vector<int> hidden(16, 0);
  std::int64_t all = 0;
  for (std::int64_t s = 0; s < 2000; ++s) {
    const auto chosen = masked_tokens(draw(s, 0, 1), 16);
    const std::set<std::int64_t> distinct(chosen.begin(), chosen.end());
    ASSERT_EQ(distinct.size(), chosen.size());
    ASSERT_EQ(static_cast<std::int64_t>(chosen.size()), masked_count(draw(s, 0, 1), 16));
    for (const std::int64_t t : chosen) ++hidden.at(static_cast<size_t>(t));
    all += static_cast<std::int64_t>(chosen.size());
  }
  EXPECT_NEAR(static_cast<double>(all), 2000 * 8.5, 1000);  // five standard deviations
  for (const int times : hidden) EXPECT_NEAR(times, 2000 * 8.5 / 16, 115);
}

TEST(Masking, DependsOnSeedEpochAndSampleAlone) {
  const auto of = [](const MaskDraw& one) { return masked_tokens(one, 50); };
  const auto base = of(draw(12, 3, 12));
  EXPECT_EQ(of(draw(12, 3, 12)), base);
  EXPECT_NE(of(draw(12, 4, 12)), base);
  EXPECT_NE(of(draw(24, 3, 12)), base);
  EXPECT_NE(of(draw(12, 3, 12, 1)), base);
  MaskDraw other = draw(12, 3, 12);
  other.seed = 6;
  EXPECT_NE(of(other), base);
  EXPECT_EQ(of(held_out_draw(5, 130)), of({5, kHeldOutEpoch, 128, 2, kHeldOutGroup}));
}

// Two of three windows: texts of 5 and 3 tokens, of which the second leaves places free; pixels.
TEST(Masking, HidesWhatMustBePredicted) {
  Batch batch = empty_batch(5, 3, 0, Objective::diffusion);
  EXPECT_TRUE(batch.window_means);
  const auto token = [](std::int32_t modality, std::int32_t t) {
    return Token{modality, {10 + t, modality == 2 ? 7 : 0, 0}, {t, modality == 2 ? 1 : 0, 0}, 4};
  };
  for (std::int32_t t = 0; t < 5; ++t) batch.input[static_cast<size_t>(t * 3)] = token(1, t);
  for (std::int32_t t = 1; t < 4; ++t) batch.input[static_cast<size_t>(t * 3 + 2)] = token(2, t);
  batch.target[2] = {1, 1, {}};  // of a place without a token
  const Batch before = batch;
  for (const std::int64_t window : {0, 1, 2}) mask_window(draw(0, window, 3), window, batch);
  std::vector<std::int64_t> scored(3, 0);
  for (size_t row = 0; row < batch.input.size(); ++row) {
    const Token &was = before.input[row], &is = batch.input[row];
    const Target& target = batch.target[row];
    scored[row % 3] += target.scored;
    if (target.scored == 0) {
      EXPECT_EQ(is, was);
      EXPECT_EQ(target, Target{});
      continue;
    }
    EXPECT_EQ(target, (Target{1, was.modality, was.symbol}));
    EXPECT_EQ(is, (Token{static_cast<std::int32_t>(Modality::query),
                         {was.modality, was.modality, 0},
                         was.place,
                         was.item}));
  }
  EXPECT_EQ(scored[0], masked_count(draw(0, 0, 3), 5));
  EXPECT_EQ(scored[1], 0);
  EXPECT_EQ(scored[2], masked_count(draw(0, 2, 3), 3));
  EXPECT_EQ(targets_of_windows(batch), scored);
  EXPECT_EQ(loss_divisor(batch), 2);  // the windows that have any
  batch.window_means = false;
  EXPECT_EQ(loss_divisor(batch), scored[0] + scored[2]);
}

}  // namespace
}  // namespace ortho
