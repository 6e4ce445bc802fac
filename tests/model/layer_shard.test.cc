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
    for (const Weights weights : {Weights::separate, Weights::shared, Weights::by_position,
                                  Weights::per_channel, Weights::tied})
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
  one.spec.radius = std::vector<std::int64_t>{0, 0, 1, 2}[static_cast<size_t>(draw.below(4))];
  if (kind.combine == Combine::parallel && draw.below(3) == 0) one.spec.self = Self::once;
  if (one.single_out == 0 && draw.below(3) == 0) {
    one.spec.heads = 2 + draw.below(3);
    one.channels *= one.spec.heads;
    one.spec.channels = one.channels;
  }
  if (one.single_out > 0) one.spec.radius = 0;
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
// line and from the next; a gradient that comes from the lines has both in one. So do maps without
// the diagonal add what lies before it and behind it, forward too.
bool adds_in_parts(const ModelSpec& spec) {
  const bool parts = spec.weights == Weights::by_position || spec.self == Self::once;
  return parts && spec.combine == Combine::parallel;
}

// Whether some map has fewer lines than ranks, so that its outputs are sums over ranks.
bool has_partial_sums(const LayerCase& one) {
  const Sharding sharding(one.spec, one.windows, one.cuts, 0, one.order);
  const auto maps = layer_maps(one.spec, one.nodes(), one.single_out);
  const auto layouts = layer_layouts(one.spec, sharding, one.channels, one.single_out);
  for (size_t i = 0; i < maps.size(); ++i)
    if (!maps[i].on_channels() && layouts[i].parts(maps[i].axis) > 1) return true;
  return false;
}

// All but the order of adding is the same: each result is off by the roundings of all terms of all
// maps it went through.
void expect_close(const LayerResult& found, const LayerResult& expected, const LayerResult& sizes,
                  const LayerCase& one) {
  const auto maps = static_cast<std::int64_t>(one.spec.tokens.size()) + 1;
  const std::int64_t terms = maps * one.nodes().elements();
  expect_equal_sums(wide(found.y), wide(expected.y), wide(sizes.y), terms);
  expect_equal_sums(wide(found.dx), wide(expected.dx), wide(sizes.dx), terms);
  ASSERT_EQ(found.dw.size(), expected.dw.size());
  for (size_t i = 0; i < found.dw.size(); ++i)
    expect_equal_sums(found.dw[i], expected.dw[i], sizes.dw[i], terms);
}

void expect_same(const LayerCase& one) {
  const LayerInput in = layer_input(one);
  const LayerResult expected = run_on_one(one, in, false), sizes = run_on_one(one, in, true);
  const LayerResult found = run_on_ranks(one, in);
  if (has_partial_sums(one)) return expect_close(found, expected, sizes, one);
  if (one.spec.self == Self::once)
    expect_equal_sums(wide(found.y), wide(expected.y), wide(sizes.y), 2 * 4);  // of 4 maps
  else
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
                        separate ? one.windows : 4 * one.nodes().elements());  // tied: of 4 maps
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
  constexpr int kDraws = 16;
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

// One token axis of 11 in 2, 3, 5 and 8 parts, with too few channels and windows for lines.
TEST(LayerShard, FewLinesAreAddedUp) {
  for (const Weights weights : {Weights::separate, Weights::shared})
    for (const Combine combine : {Combine::parallel, Combine::sequential, Combine::single})
      for (const Order order : {Order::batch_inner, Order::channels_inner})
        for (const int ranks : {2, 3, 5, 8}) {
          LayerCase one;
          one.spec = dense_spec({11}, weights, Wiring::grid, combine);
          one.spec.single_axis = 0;
          one.spec.channel_axis = combine != Combine::sequential;
          one.order = order;
          one.spec.channels = one.channels = 1;
          one.windows = 1;
          one.single_out = combine == Combine::single ? 9 : 0;
          one.cuts = {1, {ranks}, 1};
          SCOPED_TRACE(case_text(one));
          EXPECT_TRUE(has_partial_sums(one));
          expect_same(one);
        }
}

// Forward (p - 1) L elements of partial sums leave a rank, backward as many of gradients.
TEST(LayerShard, BytesOfPartialSums) {
  LayerCase one;
  one.spec = dense_spec({12}, Weights::separate, Wiring::grid, Combine::single);
  one.spec.single_axis = 0;
  one.spec.channels = one.channels = 1;
  one.windows = 1;
  one.cuts = {1, {4}, 1};
  const LayerRank rank(one, nullptr, 1, true);
  ASSERT_EQ(rank.moves.all().size(), 1u);
  const Plan& gather = rank.moves.all()[0]->plan();
  const std::int64_t bytes = 3 * (12 / 4) * static_cast<std::int64_t>(sizeof(float));
  EXPECT_EQ(gather.sent_bytes(Way::forward), bytes);
  EXPECT_EQ(gather.sent_bytes(Way::backward), bytes);
}

// ---- kernels ----

// What a node gets does not depend on how many windows its rank holds.
TEST(LayerShard, AWindowGetsTheSameInEveryBatch) {
  for (const Order order : {Order::batch_inner, Order::channels_inner})
    for (const int axis : {0, 1}) {
      DenseMap all{{5}, 19, 3, order, axis, 0, Weights::separate, Wiring::grid};
      all.out = all.size();
      DenseMap few = all;
      few.batch = 9;
      const NodeShape shape = node_shape(all.tokens, all.batch, all.channels, all.order);
      Box part = whole(shape.shape);
      part.hi[static_cast<size_t>(shape.batch_axis())] = few.batch;
      const auto backend = make_cpu_backend<float>(1);
      const auto w = normal_numbers<float>(elements(weight_shape(all)), 1);
      const auto x = normal_numbers<float>(elements(shape.shape), 2);
      const auto x_few = slice(shape.shape, part, x);
      std::vector<float> y(x.size()), y_few(x_few.size());
      backend->dense(all, x.data(), w.data(), y.data(), false);
      backend->dense(few, x_few.data(), w.data(), y_few.data(), false);
      EXPECT_EQ(slice(shape.shape, part, y), y_few) << axis;
      backend->dense_dx(all, x.data(), w.data(), y.data(), false);
      backend->dense_dx(few, x_few.data(), w.data(), y_few.data(), false);
      EXPECT_EQ(slice(shape.shape, part, y), y_few) << axis;
    }
}

// ---- bytes and memory ----

// Bytes that a rank sends in one forward and backward.
std::int64_t sent_bytes(const LayerCase& one) {
  const LayerInput in = layer_input(one);
  std::vector<std::int64_t> sent(static_cast<size_t>(ranks_of(one.cuts)));
  run_local_ranks(static_cast<int>(sent.size()), [&](Channel& world) {
    LayerRank own(one, &world, world.rank(), false);
    std::vector<float> x(static_cast<size_t>(own.layer.input().elements()), 1);
    std::vector<float> y(static_cast<size_t>(own.layer.output().elements())), dx = x;
    own.layer.forward(x.data(), y.data());
    own.layer.backward(x.data(), y.data(), dx.data());
    std::int64_t bytes = 0;
    for (const auto& move : own.moves.all())
      bytes += move->count(Way::forward).bytes + move->count(Way::backward).bytes;
    sent[static_cast<size_t>(world.rank())] = bytes;
  });
  EXPECT_EQ(std::vector<std::int64_t>(sent.size(), sent.front()), sent);
  return sent.front();
}

// Four moves a cut axis and step, (p - 1) / p of the local part each; a chain makes 2 (1 + 1) of
// them once, whatever the number of its maps.
TEST(LayerShard, SendsFourMovesAStep) {
  for (const Weights weights : {Weights::separate, Weights::shared})
    for (const Combine combine : {Combine::parallel, Combine::sequential})
      for (const int p : {2, 4}) {
        LayerCase one = plain_case({8, 8, 8}, combine, weights, Wiring::grid, {1, {p}, 1});
        const std::int64_t local = 4 * one.nodes().elements() / p;  // bytes
        EXPECT_EQ(sent_bytes(one), 4 * local * (p - 1) / p) << case_text(one);
        if (combine == Combine::sequential || p == 4) continue;
        one.cuts.tokens = {p, p};
        EXPECT_EQ(sent_bytes(one), 2 * 4 * (local / p) * (p - 1) / p) << case_text(one);
      }
}

TEST(LayerShard, AMeasuringArenaCountsWhatARealOneTakes) {
  for (const Kind& kind : all_kinds())
    for (const Cuts& cuts : {Cuts{}, Cuts{2, {2}, 1}, Cuts{1, {2, 2}, 1}, Cuts{1, {1, 1, 2}, 2}}) {
      LayerCase one = plain_case({4, 2, 5}, kind.combine, kind.weights, kind.wiring, cuts);
      one.spec.sequence = kind.sequence;
      one.order = kind.order;
      const auto ranks = static_cast<size_t>(ranks_of(cuts));
      std::vector<std::int64_t> real(ranks), measured(ranks);
      run_local_ranks(static_cast<int>(ranks), [&](Channel& world) {
        const LayerRank own(one, &world, world.rank(), false);
        const LayerRank planned(one, nullptr, world.rank(), true);
        real[static_cast<size_t>(world.rank())] = own.arena.bytes();
        measured[static_cast<size_t>(world.rank())] = planned.arena.bytes();
      });
      EXPECT_EQ(real, measured) << case_text(one);
      if (ranks > 1) continue;
      const std::int64_t kept = kind.combine == Combine::sequential ? 3 : 0;  // of four maps
      EXPECT_EQ(real[0], kept * 4 * one.nodes().elements()) << case_text(one);
    }
}

}  // namespace
}  // namespace ortho
