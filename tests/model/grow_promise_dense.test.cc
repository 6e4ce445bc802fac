// Every row of the growth table on real dense models.
#include "tests/support/grow_rows.h"

namespace ortho {
namespace {

TEST(GrowPromise, EveryRowOfRandomDenseModels) {
  for (const Row& row : kRows) EXPECT_GE(check_row(MapKind::dense, row, 60), 5) << row.name;
}

ModelSpec dense(Combine combine, Weights weights) {
  ModelSpec spec = joint({2, 3});
  spec.map = MapKind::dense;
  spec.combine = combine;
  spec.weights = weights;
  return spec;
}

TEST(GrowPromise, BrokenRulesAreNoticedInDenseModels) {
  using S = ModelSpec;
  const ModelSpec chain = dense(Combine::sequential, Weights::separate);
  const ModelSpec sum = dense(Combine::parallel, Weights::separate);
  const Change outermost = [](S& s) { s.tokens = {2, 2, 3}; };
  expect_noticed("identity of a new axis", chain, outermost, draw_instead);
  expect_noticed("zero of a new axis", sum, outermost, draw_instead);
  expect_noticed(
      "way out of new blocks", sum, [](S& s) { s.blocks = 2; }, draw_instead);
  expect_noticed(
      "hidden", chain, [](S& s) { s.hidden = 6; }, draw_instead);
  const auto grid = [](S& s) { s.wiring = Wiring::grid; };
  const Change longer = [](S& s) { s.tokens = {2, 6}; };
  expect_noticed("off the diagonal", changed(chain, grid), longer, draw_instead);
  expect_noticed("lines repeat", changed(chain, grid), longer, forget_repeats);
  const auto plain = [](S& s) {
    s.residual = s.gate = s.in = s.out = false;
    s.norm = Norm::none;
    s.hidden = s.channels;
    s.activation = Activation::relu;
  };
  const Change deeper = [](S& s) { s.blocks = 3; };
  expect_noticed("identity blocks, chain", changed(chain, plain), deeper, draw_instead);
  expect_noticed("identity blocks, sum", changed(sum, plain), deeper, draw_instead);
}

// Without a way out new units of v are drawn, and what they lead to must not reach old units.
TEST(GrowPromise, NewUnitsOfVWithoutAWayOutReachNoOldOnes) {
  for (const Weights weights : {Weights::shared, Weights::separate, Weights::per_channel})
    for (const Combine combine : {Combine::parallel, Combine::sequential})
      for (const std::int64_t branches : {1, 2}) {
        const ModelSpec from = changed(dense(combine, weights), [&](ModelSpec& s) {
          s.out = false;
          s.hidden = s.channels;
          s.norm = Norm::none;
          s.branches = branches;
        });
        const ModelSpec to = changed(from, [](ModelSpec& s) { s.channels = s.hidden = 5; });
        const GrowPlan plan = plan_growth(from, to);
        const PromiseCheck check = grow_and_check<double>(plan, plan, 5);
        EXPECT_LE(check.largest_difference, bound_in_double(plan) * check.largest_logit);
      }
}

TEST(GrowPromise, BrokenRulesAreNoticedInHeadsAndBranches) {
  using S = ModelSpec;
  const ModelSpec heads =
      changed(dense(Combine::sequential, Weights::shared), [](S& s) { s.heads = 2; });
  expect_noticed(
      "way out of new heads", heads, [](S& s) { s.heads = 4, s.hidden = 8; }, draw_instead);
  expect_noticed(
      "way out of new branches", heads, [](S& s) { s.branches = 2; }, draw_instead);
  const ModelSpec window = changed(heads, [](S& s) { s.radius = 1; });
  expect_noticed(
      "new taps of a window", window, [](S& s) { s.radius = 0; }, draw_instead);
}

// "block.0.size.2.w" [s][s] goes on as the weight of each axis, and of the channels.
TEST(GrowPromise, ATiedWeightIsCopiedToEveryAxis) {
  const ModelSpec from = changed(dense(Combine::sequential, Weights::tied), [](ModelSpec& s) {
    s.wiring = Wiring::grid;
    s.tokens = {4, 3, 4};
    s.gate = false;  // 4 hidden units: the channels are tied too
  });
  const ModelSpec to = changed(from, [](ModelSpec& s) { s.weights = Weights::shared; });
  const GrowPlan plan = plan_growth(from, to);
  ModelKit<double> kit(from, 1, 3);
  Params<double> grown(param_specs(to));
  apply_growth(plan, kit.params, grown, 1);
  const Param<double>& old = kit.params.at("block.0.size.4.w");
  for (const char* name : {"block.0.axis.2.w", "block.0.axis.0.w", "block.0.channel.w"})
    for (std::int64_t i = 0; i < 16; ++i) EXPECT_EQ(grown.at(name).value[i], old.value[i]) << name;
  EXPECT_TRUE(grow_and_check<float>(plan, plan, 5).kept);
}

// shared [s_i][s_i] to separate [s_1][s_2][C][s_i]: every line gets a copy.
TEST(GrowPromise, SharedWeightsAreCopiedToEveryLine) {
  ModelSpec from = dense(Combine::sequential, Weights::shared);
  from.wiring = Wiring::grid;
  const ModelSpec to = changed(from, [](ModelSpec& s) { s.weights = Weights::separate; });
  const GrowPlan plan = plan_growth(from, to);
  ModelKit<double> kit(from, 1, 3);
  Params<double> grown(param_specs(to));
  apply_growth(plan, kit.params, grown, 1);
  const auto &old = kit.params.at("block.0.axis.1.w"), &w = grown.at("block.0.axis.1.w");
  const std::int64_t channels = gated_width(from);
  ASSERT_EQ(old.spec.shape(), (Shape{2, 2}));
  ASSERT_EQ(w.spec.shape(), (Shape{2, 3, 2, from.hidden, 2}));
  for (std::int64_t i = 0; i < w.size; ++i) {
    const std::int64_t j = i % 2, k = i / (2 * channels * 3);
    EXPECT_EQ(w.value[i], old.value[k * 2 + j]);
  }
}

}  // namespace
}  // namespace ortho
