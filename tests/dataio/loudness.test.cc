#include "dataio/media/loudness.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/errors.h"

namespace ortho {
namespace {

using Samples = std::vector<std::int16_t>;

Samples normalized(Samples samples, Loudness loudness) {
  normalize(samples, loudness);
  return samples;
}

TEST(Loudness, ThePeakBecomesNineTenths) {
  // 0.9 * 32767 = 29490.3, whichever sign the peak has.
  EXPECT_EQ(normalized({0, 50, -100}, Loudness::peak), (Samples{0, 14745, -29490}));
  EXPECT_EQ(normalized({-32768, 16384}, Loudness::peak), (Samples{-29490, 14745}));
}

TEST(Loudness, TheMeanSquareBecomesATenth) {
  // 0.1 * 32767 = 3276.7, which all samples of a square wave have.
  EXPECT_EQ(normalized({7, -7, 7, -7}, Loudness::rms), (Samples{3277, -3277, 3277, -3277}));
  // One click in 400 samples: 20 times the rms of all, clipped at the full scale.
  Samples click(400);
  click[5] = 9;
  click[6] = -9;
  const Samples loud = normalized(click, Loudness::rms);
  EXPECT_EQ(loud[5], 32767);
  EXPECT_EQ(loud[6], -32768);
  EXPECT_EQ(loud[7], 0);
}

TEST(Loudness, SilenceAndNoneStayAsTheyAre) {
  for (const Loudness loudness : {Loudness::peak, Loudness::rms}) {
    EXPECT_EQ(normalized({0, 0}, loudness), (Samples{0, 0}));
    EXPECT_EQ(normalized({}, loudness), Samples{});
  }
  EXPECT_EQ(normalized({3, -4}, Loudness::as_is), (Samples{3, -4}));
}

TEST(Loudness, NamesItsNames) {
  EXPECT_EQ(loudness_from_name("rms"), Loudness::rms);
  EXPECT_NE(message_of([] { loudness_from_name("loud"); }, ErrorKind::usage)
                .find("unknown loudness 'loud'; known: none, peak, rms"),
            std::string::npos);
}

}  // namespace
}  // namespace ortho
