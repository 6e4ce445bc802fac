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
