#include "dataio/media/resample.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "core/error.h"

namespace ortho {
namespace {

Sound sine(std::int64_t rate, double hertz, std::size_t count, double level = 16384) {
  Sound sound{rate, std::vector<std::int16_t>(count)};
  for (std::size_t i = 0; i < count; ++i)
    sound.samples[i] = static_cast<std::int16_t>(
        std::lround(level * std::sin(2 * std::numbers::pi * hertz * static_cast<double>(i) /
                                     static_cast<double>(rate))));
  return sound;
}

// The largest difference away from both ends, where the filter sees silence.
double worst(const Sound& a, const Sound& b) {
  EXPECT_EQ(a.samples.size(), b.samples.size());
  const std::size_t edge = a.samples.size() / 4;
  double most = 0;
  for (std::size_t i = edge; i + edge < a.samples.size(); ++i)
    most = std::max(most, std::abs(double{1} * a.samples[i] - b.samples[i]));
  return most;
}

// Down, up and in a ratio of no small numbers. 0.1 dB is 1.2 % of the level; measured is 2 levels.
TEST(Resample, ASineInTheBandIsTheSineAtTheNewRate) {
  for (const auto& [from, to] : {std::pair{8000, 4000}, {8000, 16000}, {44100, 8000}}) {
    for (const double share : {0.1, 0.5, 0.85}) {
      const double hertz = share * std::min(from, to) / 2;
      const Sound old = sine(from, hertz, static_cast<std::size_t>(from / 2));
      const Sound fresh = resample(old, to);
      EXPECT_EQ(fresh.rate, to);
      EXPECT_LE(worst(fresh, sine(to, hertz, fresh.samples.size())), 4)
          << from << " to " << to << " at " << hertz;
    }
  }
}

// 80 dB below 16,384 is 1.6 levels, and rounding adds half a level.
TEST(Resample, WhatWouldFoldBackIsGone) {
  for (const double hertz : {2050.0, 2500.0, 3500.0}) {
    const Sound fresh = resample(sine(8000, hertz, 4000), 4000);
    EXPECT_LE(worst(fresh, Sound{4000, std::vector<std::int16_t>(2000)}), 3) << hertz;
  }
}

TEST(Resample, LengthsAndLevels) {
  EXPECT_EQ(resample({8000, std::vector<std::int16_t>(3)}, 4000).samples.size(), 2U);
  EXPECT_EQ(resample({8000, std::vector<std::int16_t>(1)}, 4000).samples.size(), 1U);
  EXPECT_EQ(resample({4000, std::vector<std::int16_t>(3)}, 8000).samples.size(), 6U);
  const Sound flat = resample({8000, std::vector<std::int16_t>(2000, 1000)}, 6000);
  EXPECT_EQ(flat.samples[flat.samples.size() / 2], 1000);  // each phase's weights add up to 1
  const Sound same{8000, {1, 2, 3}};
  EXPECT_EQ(resample(same, 8000), same);
}

TEST(Resample, RatesInNoSimpleRatioAreRefused) {
  EXPECT_THROW(resample({9'999'991, {1}}, 9'999'973), Error);
  EXPECT_THROW(resample({8000, {1}}, 0), Error);
}

}  // namespace
}  // namespace ortho
