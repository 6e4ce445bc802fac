// A dense layer on a mesh against the same layer on one rank.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.h"
#include "tests/support/errors.h"
#include "tests/support/exchange_kit.h"
#include "tests/support/layer_shard_kit.h"

namespace ortho {
namespace {

constexpr double kRounding = 1.0 / (1 << 24);  // of a float operation, relative

// ---- the sweep: every wiring, weights, combination and order on drawn grids and meshes ----

// Cuts of up to three axes into up to eight parts in all, most of them into two or three.
Cuts draw_cuts(test::Draw& draw, const LayerCase& one) {
  Cuts cuts;
  cuts.tokens.assign(one.spec.tokens.size(), 1);
  for (int attempt = 0; attempt < 6; ++attempt) {
    const auto axis = static_cast<size_t>(draw.below(static_cast<int>(cuts.tokens.size()) + 2));
    const bool batch = axis == cuts.tokens.size(), channels = axis > cuts.tokens.size();
    int& cut = batch ? cuts.batch : channels ? cuts.channels : cuts.tokens[axis];
    const std::int64_t size = batch ? one.windows : channels ? one.channels : one.spec.tokens[axis];
    const int parts = 2 + draw.below(3) + (draw.below(8) == 0 ? 3 : 0);
    if (cut == 1 && parts <= size && ranks_of(cuts) * parts <= 8) cut = parts;
  }
  return cuts;
}

struct Kind {
  Wiring wiring;
  Weights weights;
  Combine combine;
  Sequence sequence;
  Order order;
};

std::vector<Kind> all_kinds() {
  std::vector<Kind> kinds;
  for (const Wiring wiring : {Wiring::grid, Wiring::causal, Wiring::grid_causal})
    for (const Weights weights : {Weights::separate, Weights::shared, Weights::by_position})
      for (const Combine combine : {Combine::parallel, Combine::sequential, Combine::single})
        for (const Sequence sequence : {Sequence::ascending, Sequence::descending})
          for (const Order order : {Order::batch_inner, Order::channels_inner}) {
            if (weights == Weights::by_position && wiring != Wiring::causal) continue;
            if (sequence == Sequence::descending && combine != Combine::sequential) continue;
            kinds.push_back({wiring, weights, combine, sequence, order});
          }
  return kinds;
}

LayerCase draw_case(const Kind& kind, std::uint64_t number) {
  test::Draw draw(5, number);
  Shape tokens(static_cast<size_t>(1 + draw.below(3)));
  for (std::int64_t& size : tokens) size = 1 + draw.below(7);
  LayerCase one;
  one.spec = dense_spec(tokens, kind.weights, kind.wiring, kind.combine);
  one.spec.sequence = kind.sequence;
  one.order = kind.order;
  one.channels = 1 + draw.below(7);
  one.windows = std::vector<std::int64_t>{1, 2, 3, 5, 8, 19}[static_cast<size_t>(draw.below(6))];
  one.spec.channels = one.channels;
  one.spec.channel_axis = draw.below(3) > 0;
  const int axes = static_cast<int>(tokens.size()) + (one.spec.channel_axis ? 1 : 0);
  one.spec.single_axis = draw.below(axes);
  const bool may_resize = kind.wiring == Wiring::grid ||
                          one.spec.single_axis == static_cast<std::int64_t>(tokens.size());
  if (kind.combine == Combine::single && may_resize && draw.below(2) == 0)
    one.single_out = 1 + draw.below(9);
  one.cuts = draw_cuts(draw, one);
  return one;
}

// A float sum of n terms is off by less than n roundings of the sum of their sizes.
void expect_equal_sums(const std::vector<double>& sums, const std::vector<double>& expected,
                       const std::vector<double>& sizes, std::int64_t terms) {
  ASSERT_EQ(sums.size(), expected.size());
  for (size_t i = 0; i < sums.size(); ++i)
    EXPECT_LE(std::abs(sums[i] - expected[i]),
              2.0 * static_cast<double>(terms) * kRounding * sizes[i])
        << "weight element " << i;
}

std::vector<double> wide(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

// On one rank a map with weights by position adds its gradient to a sum in two parts, from the own
// line and from the next; a gradient that comes from the lines has both in one.
bool adds_in_parts(const ModelSpec& spec) {
  return spec.weights == Weights::by_position && spec.combine == Combine::parallel;
}

void expect_same(const LayerCase& one) {
  const LayerInput in = layer_input(one);
  const LayerResult expected = run_on_one(one, in, false), sizes = run_on_one(one, in, true);
  const LayerResult found = run_on_ranks(one, in);
  EXPECT_EQ(found.y, expected.y);
  if (adds_in_parts(one.spec))
    expect_equal_sums(wide(found.dx), wide(expected.dx), wide(sizes.dx), 2 * 4);  // of 4 maps
  else
    EXPECT_EQ(found.dx, expected.dx);
  const bool separate = one.spec.weights == Weights::separate;
  ASSERT_EQ(found.dw.size(), expected.dw.size());
  for (size_t i = 0; i < found.dw.size(); ++i) {
    if (separate && one.cuts.batch == 1)
      EXPECT_EQ(found.dw[i], expected.dw[i]) << "weight " << i;
    else
      expect_equal_sums(found.dw[i], expected.dw[i], sizes.dw[i],
                        separate ? one.windows : one.nodes().elements());
  }
}

// No map of the case lacks lines for its ranks.
bool is_possible(const LayerCase& one) {
  try {
    const Sharding sharding(one.spec, one.windows, one.cuts, 0, one.order);
    layer_layouts(one.spec, sharding, one.channels, one.single_out);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage) << case_text(one) << error.what();
    return false;
  }
  return true;
}

TEST(LayerShard, EqualsOneRankOnEveryMesh) {
  constexpr int kDraws = 24;
  std::uint64_t number = 0;
  int cut = 0;
  for (const Kind& kind : all_kinds())
    for (int i = 0; i < kDraws; ++i) {
      const LayerCase one = draw_case(kind, number++);
      if (!is_possible(one)) continue;
      cut += ranks_of(one.cuts) > 1 ? 1 : 0;
      SCOPED_TRACE(case_text(one));
      expect_same(one);
      if (HasFailure()) return;
    }
  EXPECT_GT(cut, static_cast<int>(number) / 2);  // the sweep sweeps
}

}  // namespace
}  // namespace ortho
