// Moments, step counts and their regions.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "model/grow.h"
#include "tests/support/errors.h"
#include "tests/support/grow_kit.h"

namespace ortho {
namespace {

TEST(GrowApply, MomentsAreKeptToTheBit) {
  const ModelSpec from = joint({2});
  const ModelSpec to = changed(joint({2, 2}), [](ModelSpec& spec) { spec.channels = 5; });
  const GrowPlan plan = plan_growth(from, to);
  Params<float> before(param_specs(from)), after(param_specs(to));
  std::vector<float> old_moments, moments(static_cast<size_t>(after.size()), 7.0f);
  const Random random(3, "moments");
  for (std::int64_t i = 0; i < before.size(); ++i)  // from denormal to huge
    old_moments.push_back(static_cast<float>(
        std::ldexp(random.normal(static_cast<std::uint64_t>(i)), static_cast<int>(i % 270) - 145)));
  grow_moments<float>(plan, old_moments, moments);
  const auto same = [&](const std::string& name, std::int64_t at, std::int64_t old_at) {
    return std::memcmp(&moments[static_cast<size_t>(after.at(name).offset + at)],
                       &old_moments[static_cast<size_t>(before.at(name).offset + old_at)],
                       sizeof(float)) == 0;
  };
  for (std::int64_t i = 0; i < 15; ++i) EXPECT_TRUE(same("head.text", i, i));
  for (std::int64_t c = 0; c < 3; ++c)  // the gain is scaled, its moments are not
    EXPECT_TRUE(same("block.0.axis.0.gain", c, c));
  for (std::int64_t row = 0; row < 5; ++row)
    for (std::int64_t c = 0; c < 3; ++c)
      EXPECT_TRUE(same("embed.text.symbol", row * 5 + c, row * 3 + c));
  const Param<float>& fresh = after.at("block.0.axis.1.w1");
  for (std::int64_t i = 0; i < fresh.size; ++i)
    EXPECT_EQ(moments[static_cast<size_t>(fresh.offset + i)], 0.0f);
  EXPECT_EQ(moments[static_cast<size_t>(after.at("block.0.axis.0.gain").offset + 4)], 0.0f);
  EXPECT_THROW(grow_moments<float>(plan, moments, moments), Error);
}

// Steps of one element by the regions that hold it.
std::int64_t steps_at(const Regions& regions, const Index& at) {
  for (const Region& region : regions) {
    bool in = true;
    for (size_t d = 0; d < at.size(); ++d)
      in = in && region.box.lo[d] <= at[d] && at[d] < region.box.hi[d];
    if (in) return region.steps;
  }
  return -1;
}

TEST(GrowApply, StepCountsFollowTheWeights) {
  const ModelSpec a = joint({2}), b = changed(joint({4}), [](ModelSpec&s) { s.channels = 5; });
  const ModelSpec c = changed(b, [](ModelSpec& s) { s.hidden = 6, s.blocks = 2; });
  StepCounts counts = no_steps(param_specs(a));
  add_steps(counts, 100);
  counts = grow_steps(plan_growth(a, b), counts);
  add_steps(counts, 10);
  counts = grow_steps(plan_growth(b, c), counts);
  const std::vector<ParamSpec> specs = param_specs(c);
  for (size_t i = 0; i < specs.size(); ++i) {
    check_regions(specs[i].name, specs[i].shape(), counts[i]);
    if (specs[i].name == "embed.text.symbol") {
      EXPECT_EQ(counts[i], (Regions{{{{0, 0}, {5, 3}}, 110}, {{{0, 3}, {5, 5}}, 10}}));
    }
    if (specs[i].name == "block.1.axis.0.w2") {
      EXPECT_EQ(counts[i], (Regions{{{{0, 0}, {6, 5}}, 0}}));
    }
    if (specs[i].name != "block.0.axis.0.w1") continue;
    for (std::int64_t tap = 0; tap < 4; ++tap)
      for (std::int64_t ch = 0; ch < 5; ++ch)
        for (std::int64_t g = 0; g < 12; ++g)
          EXPECT_EQ(steps_at(counts[i], {tap, ch, g / 6, g % 6}), g % 6 >= 4          ? 0
                                                                  : tap < 2 && ch < 3 ? 110
                                                                                      : 10);
  }
}

TEST(GrowApply, RepeatedRegionsJoin) {
  const auto places = [](std::int64_t rows) {
    return changed(joint({2}), [=](ModelSpec& spec) { spec.places.text = rows; });
  };
  StepCounts counts = no_steps(param_specs(places(4)));
  add_steps(counts, 5);
  counts = grow_steps(plan_growth(places(4), places(64)), counts);
  EXPECT_EQ(counts[1], (Regions{{{{0, 0}, {64, 3}}, 5}}));
}

TEST(GrowApply, RegionsThatDoNotTileAreRefused) {
  const auto why = [](const Regions& regions) {
    return message_of([&] { check_regions("head.text", {4, 3}, regions); }, ErrorKind::data);
  };
  EXPECT_NO_THROW(
      check_regions("head.text", {4, 3}, {{{{0, 0}, {4, 1}}, 3}, {{{0, 1}, {4, 3}}, 0}}));
  EXPECT_NE(why({{{{0, 0}, {4, 2}}, 3}}).find("head.text [4, 3] cover 8 of 12"), std::string::npos);
  EXPECT_NE(why({{{{0, 0}, {4, 2}}, 3}, {{{1, 1}, {3, 3}}, 0}}).find("overlap"), std::string::npos);
  EXPECT_NE(why({{{{0, 0}, {4, 5}}, 3}}).find("[0, 0] to [4, 5]"), std::string::npos);
  EXPECT_NE(why({{{{0}, {4}}, 3}}).find("does not lie inside"), std::string::npos);
}

}  // namespace
}  // namespace ortho
