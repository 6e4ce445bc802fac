#include "model/grow.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/errors.h"
#include "tests/support/grow_kit.h"

namespace ortho {
namespace {

// Old values 1, 2, 3 … so that every copied element says where it came from; new ones from a seed.
struct Grown {
  Grown(const ModelSpec& from, const ModelSpec& to)
      : plan(plan_growth(from, to)), before(param_specs(from)), after(param_specs(to)) {
    double next = 1;
    for (double& value : before.values()) value = next++;
    apply_growth(plan, before, after, 9);
  }
  const Param<double>& old_param(const std::string& name) { return before.at(name); }
  const Param<double>& param(const std::string& name) { return after.at(name); }
  double drawn(const std::string& name, std::int64_t index) {
    return initial_value(after.at(name).spec, 9, index);
  }
  GrowPlan plan;
  Params<double> before, after;
};

// Every element lies in exactly one copy or fill; copies agree in size with what they copy.
void expect_tiles(const GrowPlan& plan) {
  const std::vector<ParamSpec> targets = param_specs(plan.to);
  ASSERT_EQ(plan.params.size(), targets.size());
  for (size_t i = 0; i < targets.size(); ++i) {
    const ParamGrowth& growth = plan.params[i];
    EXPECT_EQ(growth.spec.name, targets[i].name);
    const Shape shape = targets[i].shape();
    std::vector<int> covered(static_cast<size_t>(elements(shape)), 0);
    const auto paint = [&](const Box& box) {
      ASSERT_EQ(intersect(box, whole(shape)), box) << growth.spec.name;
      for_each_run(shape, box, [&](std::int64_t offset, std::int64_t count) {
        for (std::int64_t k = 0; k < count; ++k) ++covered[static_cast<size_t>(offset + k)];
      });
    };
    for (const BoxFill& fill : growth.fills) paint(fill.to);
    for (const BoxCopy& copy : growth.copies) {
      paint(copy.to);
      EXPECT_EQ(intersect(copy.from, whole(growth.source_shape)), copy.from) << growth.spec.name;
      for (size_t d = 0; d < shape.size(); ++d)
        if (growth.source_dim[d] >= 0) {
          const auto s = static_cast<size_t>(growth.source_dim[d]);
          EXPECT_EQ(extent(copy.to)[d], extent(copy.from)[s]) << growth.spec.name;
        }
    }
    for (const int times : covered) ASSERT_EQ(times, 1) << growth.spec.name;
  }
}

TEST(Grow, NothingChangesWithoutADifference) {
  const ModelSpec spec = joint({2, 3});
  Grown grown(spec, spec);
  EXPECT_EQ(grown.plan.promise.kind, PromiseKind::everywhere);
  EXPECT_EQ(grown.plan.promise.tolerance, 0);
  EXPECT_TRUE(grown.plan.lines.empty());
  for (std::int64_t i = 0; i < grown.after.size(); ++i)
    EXPECT_EQ(grown.after.values()[static_cast<size_t>(i)], static_cast<double>(i + 1));
}

TEST(Grow, AxisAddedOutermost) {
  Grown grown(joint({2, 3}), joint({4, 2, 3}));
  expect_tiles(grown.plan);
  EXPECT_EQ(grown.plan.promise.kind, PromiseKind::window_start);
  EXPECT_EQ(grown.plan.promise.tolerance, 0);
  ASSERT_EQ(grown.plan.lines.size(), 1U);
  EXPECT_EQ(grown.plan.lines[0],
            "token axis 2 (size 4) added outermost: its sublayers, one per block, start at zero");
  for (const char* name : {"block.0.axis.0.w1", "block.0.axis.1.w2", "embed.text.symbol"})
    for (std::int64_t i = 0; i < grown.param(name).size; ++i)
      EXPECT_EQ(grown.param(name).value[i], grown.old_param(name).value[i]) << name;
  for (std::int64_t i = 0; i < grown.param("block.0.axis.2.w2").size; ++i)
    EXPECT_EQ(grown.param("block.0.axis.2.w2").value[i], 0);
  for (std::int64_t i = 0; i < grown.param("block.0.axis.2.w1").size; ++i)
    EXPECT_EQ(grown.param("block.0.axis.2.w1").value[i], grown.drawn("block.0.axis.2.w1", i));
}

TEST(Grow, CausalAxisLengthenedByNewTapsAtZero) {
  Grown grown(joint({2, 3}), joint({4, 3}));
  expect_tiles(grown.plan);
  EXPECT_EQ(grown.plan.promise.kind, PromiseKind::window_start);
  const auto &w = grown.param("block.0.axis.1.w1"), &old = grown.old_param("block.0.axis.1.w1");
  EXPECT_EQ(w.size, 2 * old.size);
  for (std::int64_t i = 0; i < w.size; ++i)  // taps are the outermost dimension
    EXPECT_EQ(w.value[i], i < old.size ? old.value[i] : 0) << i;
  EXPECT_EQ(grown.param("block.0.axis.1.w2").value[0],
            grown.old_param("block.0.axis.1.w2").value[0]);
}

TEST(Grow, FirstAxisOfAModelOfOneToken) {
  Grown grown(joint({}), joint({2, 3}));  // the one tap of axis 0 stays, taps 1 and 2 are new
  expect_tiles(grown.plan);
  EXPECT_EQ(grown.plan.promise.kind, PromiseKind::window_start);
  EXPECT_EQ(grown.plan.lines.size(), 2U);
  const auto& w = grown.param("block.0.axis.0.w1");
  const std::int64_t tap = w.size / 3;
  EXPECT_EQ(w.value[tap - 1], grown.old_param("block.0.axis.0.w1").value[tap - 1]);
  EXPECT_EQ(w.value[tap], 0);
}

TEST(Grow, GridAxisLengthenedBlockDiagonally) {
  const auto grid = [](ModelSpec& spec) { spec.wiring = Wiring::grid; };
  Grown grown(changed(joint({2, 3}), grid), changed(joint({2, 6}), grid));
  expect_tiles(grown.plan);
  EXPECT_EQ(grown.plan.promise.kind, PromiseKind::halves);
  const auto &w = grown.param("block.0.axis.0.w1"), &old = grown.old_param("block.0.axis.0.w1");
  for (std::int64_t k = 0; k < 6; ++k)
    for (std::int64_t c = 0; c < 3; ++c)
      for (std::int64_t j = 0; j < 6; ++j)
        for (std::int64_t e = 0; e < 8; ++e)
          EXPECT_EQ(w.value[((k * 3 + c) * 6 + j) * 8 + e],
                    k / 3 == j / 3 ? old.value[((k % 3 * 3 + c) * 3 + j % 3) * 8 + e] : 0);
}

TEST(Grow, BlocksStartWithoutAWayOut) {
  Grown grown(joint({2}), changed(joint({2}), [](ModelSpec& spec) { spec.blocks = 3; }));
  expect_tiles(grown.plan);
  EXPECT_EQ(grown.plan.promise.kind, PromiseKind::everywhere);
  EXPECT_EQ(grown.plan.promise.tolerance, 0);
  EXPECT_EQ(grown.param("block.2.axis.0.w2").value[3], 0);
  EXPECT_EQ(grown.param("block.2.axis.0.w1").value[3], grown.drawn("block.2.axis.0.w1", 3));
  EXPECT_EQ(grown.param("block.2.axis.0.gain").value[1], 1);
}

TEST(Grow, ChannelsWidened) {
  Grown grown(joint({2}), changed(joint({2}), [](ModelSpec& spec) { spec.channels = 5; }));
  expect_tiles(grown.plan);
  EXPECT_EQ(grown.plan.promise.kind, PromiseKind::everywhere);
  EXPECT_GT(grown.plan.promise.tolerance, 0);  // rms: its epsilon
  EXPECT_LT(grown.plan.promise.tolerance, 0.01);
  const auto &table = grown.param("embed.text.symbol"), &old = grown.old_param("embed.text.symbol");
  for (std::int64_t row = 0; row < 5; ++row)
    for (std::int64_t c = 0; c < 5; ++c)
      EXPECT_EQ(table.value[row * 5 + c], c < 3 ? old.value[row * 3 + c] : 0);
  const auto& gain = grown.param("block.0.axis.0.gain");
  const double scale = std::sqrt(3.0 / 5.0);
  for (std::int64_t c = 0; c < 5; ++c)
    EXPECT_EQ(gain.value[c], c < 3 ? scale * grown.old_param("block.0.axis.0.gain").value[c] : 1.0);
  const auto& w2 = grown.param("block.0.axis.0.w2");  // [E][C]: new columns are zero
  EXPECT_EQ(w2.value[4], 0);
  const auto &head = grown.param("head.text"), &old_head = grown.old_param("head.text");
  for (std::int64_t i = 0; i < head.size; ++i)  // [C][symbols]: new rows are drawn
    EXPECT_EQ(head.value[i], i < 15 ? old_head.value[i] : grown.drawn("head.text", i));
}

TEST(Grow, HiddenWidenedInBothHalvesOfTheGate) {
  Grown grown(joint({2}), changed(joint({2}), [](ModelSpec& spec) { spec.hidden = 6; }));
  expect_tiles(grown.plan);
  const auto &w1 = grown.param("block.0.axis.0.w1"), &old = grown.old_param("block.0.axis.0.w1");
  for (std::int64_t row = 0; row < 6; ++row)  // 2 taps x 3 channels
    for (std::int64_t g = 0; g < 12; ++g) {
      const std::int64_t half = g / 6, e = g % 6, at = row * 12 + g;
      EXPECT_EQ(w1.value[at],
                e < 4 ? old.value[row * 8 + half * 4 + e] : grown.drawn("block.0.axis.0.w1", at));
    }
  const auto &w2 = grown.param("block.0.axis.0.w2"), &old2 = grown.old_param("block.0.axis.0.w2");
  for (std::int64_t i = 0; i < w2.size; ++i)
    EXPECT_EQ(w2.value[i], i < 12 ? old2.value[i] : 0);  // [E][C]: new rows are zero
}

// active 0.5 of 4 units: 2 active, 2 linear; of 8: 4 and 4. The linear ones move behind unit 3.
TEST(Grow, HiddenUnitsKeepTheirKind) {
  const auto partial = [](ModelSpec& spec) { spec.active = 0.5, spec.gate = false; };
  const ModelSpec from = changed(joint({1}), partial);
  Grown grown(from, changed(from, [](ModelSpec& spec) { spec.hidden = 8; }));
  expect_tiles(grown.plan);
  const auto &w2 = grown.param("block.0.axis.0.w2"), &old = grown.old_param("block.0.axis.0.w2");
  for (std::int64_t e = 0; e < 8; ++e) {
    const std::int64_t from_unit = e < 2 ? e : e >= 4 && e < 6 ? e - 2 : -1;
    for (std::int64_t c = 0; c < 3; ++c)
      EXPECT_EQ(w2.value[e * 3 + c], from_unit < 0 ? 0 : old.value[from_unit * 3 + c]);
  }
}

TEST(Grow, PlaceTablesRepeat) {
  const auto places = [](std::int64_t text, std::int64_t items) {
    return changed(joint({2}), [=](ModelSpec& spec) {
      spec.places.text = text;
      spec.items = items;
    });
  };
  Grown grown(places(4, 0), places(12, 2));
  expect_tiles(grown.plan);
  EXPECT_EQ(grown.plan.promise.kind, PromiseKind::everywhere);
  EXPECT_EQ(grown.plan.promise.tolerance, 0);
  const auto &table = grown.param("embed.text.place"), &old = grown.old_param("embed.text.place");
  for (std::int64_t i = 0; i < table.size; ++i) EXPECT_EQ(table.value[i], old.value[i % old.size]);
  for (std::int64_t i = 0; i < grown.param("embed.item").size; ++i)  // a new table adds nothing yet
    EXPECT_EQ(grown.param("embed.item").value[i], 0);
}

TEST(Grow, SymbolsAppendedAndModalitiesAdded) {
  Grown grown(joint({2}), changed(joint({2}), [](ModelSpec& spec) {
                spec.text_symbols = 7;
                spec.modalities = {Modality::audio, Modality::text};
                spec.modality_head = spec.modality_table = true;
              }));
  expect_tiles(grown.plan);
  EXPECT_EQ(grown.plan.promise.kind, PromiseKind::old_modalities);
  EXPECT_EQ(grown.plan.promise.tolerance, 0);
  const auto &head = grown.param("head.text"), &old = grown.old_param("head.text");
  for (std::int64_t c = 0; c < 3; ++c)
    for (std::int64_t s = 0; s < 7; ++s)
      EXPECT_EQ(head.value[c * 7 + s],
                s < 5 ? old.value[c * 5 + s] : grown.drawn("head.text", c * 7 + s));
  EXPECT_EQ(grown.param("embed.audio.symbol").value[1], grown.drawn("embed.audio.symbol", 1));
  EXPECT_EQ(grown.param("embed.modality").value[1], 0);  // text tokens get it too
}

TEST(Grow, SeveralDifferencesKeepTheWeakestPromise) {
  const ModelSpec from = joint({2});
  EXPECT_EQ(plan_growth(from, changed(joint({2, 2}),
                                      [](ModelSpec& spec) {
                                        spec.modalities = {Modality::text, Modality::audio};
                                        spec.modality_head = true;
                                        spec.blocks = 2;
                                      }))
                .promise.kind,
            PromiseKind::window_start);
  const Promise none =
      plan_growth(from, changed(joint({2, 2}), [](ModelSpec& spec) { spec.refeeds = 2; })).promise;
  EXPECT_EQ(none.kind, PromiseKind::none);
  EXPECT_EQ(promise_text(none),
            "no promise: refeeds 1 -> 2: the stack's output passes through it another number of "
            "times");
}

TEST(Grow, WhatIsExactIsSoUpToRoundingWhereRanksShareOtherSums) {
  const auto deeper = [] {
    return plan_growth(joint({2, 3}), changed(joint({2, 3}), [](ModelSpec& s) { ++s.blocks; }))
        .promise;
  };
  Promise promise = deeper();
  loosen_for({2, {}, 3}, {1, {2}, 3}, promise);
  EXPECT_EQ(promise.tolerance, 0);
  loosen_for({2, {}, 1}, {2, {}, 3}, promise);
  EXPECT_GT(promise.tolerance, 0);
  EXPECT_LT(promise.tolerance, 1e-4);  // roundings of float
  expect_in("the channels were cut into 1 parts and are into 3", promise_text(promise));
}

TEST(Grow, PromisedTokensOfAGridLieSideBySide) {
  const auto grid = [](ModelSpec& spec) { spec.wiring = Wiring::grid; };
  const GrowPlan plan = plan_growth(changed(joint({2, 3}), grid), changed(joint({2, 4, 3}), grid));
  EXPECT_EQ(promise_parts(plan), 4);  // [2, 2, 1] old windows of [2, 3]
  std::vector<int> seen(24, 0);
  for (std::int64_t part = 0; part < 4; ++part)
    for (std::int64_t t = 0; t < 6; ++t) {
      const std::int64_t at = promised_token(plan, part, t);
      ++seen[static_cast<size_t>(at)];
      EXPECT_EQ(at, part / 2 * 12 + (part % 2 * 2 + t / 3) * 3 + t % 3);
    }
  for (const int times : seen) EXPECT_EQ(times, 1);
  const GrowPlan causal = plan_growth(joint({2, 3}), joint({2, 2, 3}));
  EXPECT_EQ(promise_parts(causal), 1);
  EXPECT_EQ(promised_token(causal, 0, 5), 5);
}

// A chain of growths gives what one growth gives, where new weights keep their shape.
TEST(Grow, TwoStepsEqualOne) {
  const ModelSpec a = joint({2}), b = joint({2, 2}),
                  c = changed(joint({4, 2, 2}), [](ModelSpec&s) { s.blocks = 2; });
  Grown direct(a, c), first(a, b);
  Params<double> after(param_specs(c));
  apply_growth(plan_growth(b, c), first.after, after, 9);
  for (std::int64_t i = 0; i < after.size(); ++i)
    ASSERT_EQ(after.values()[static_cast<size_t>(i)],
              direct.after.values()[static_cast<size_t>(i)]);
}

}  // namespace
}  // namespace ortho
