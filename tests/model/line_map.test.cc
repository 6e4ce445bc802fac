#include "model/line_map.h"

#include <gtest/gtest.h>

#include "tests/support/errors.h"
#include "tests/support/line_map_kit.h"
#include "tests/support/orders.h"

namespace ortho {
namespace {

using test::LineMapKit;
using Sets = std::vector<std::int64_t>;

std::vector<std::string> names(const ModelSpec& spec) {
  std::vector<std::string> list;
  for (const LineMap& map : line_maps(spec)) list.push_back(line_map_name(spec, map));
  return list;
}

TEST(LineMap, EachAxisOnItsOwnUnlessSetsSayOtherwise) {
  ModelSpec spec = test::bare_spec({2, 3, 4}, Wiring::causal);
  EXPECT_EQ(names(spec), (std::vector<std::string>{"axis.2", "axis.1", "axis.0"}));
  spec.sets = {5, 1, 1};
  EXPECT_EQ(names(spec), (std::vector<std::string>{"axis.2", "axis.0+1"}));
  EXPECT_EQ(line_size(spec, line_maps(spec)[1]), 12);
  spec.sets = {1, 5, 1};
  EXPECT_EQ(names(spec), (std::vector<std::string>{"axis.1", "axis.0+2"}));
  EXPECT_EQ(whole_axes(spec, line_maps(spec)[1]), (std::vector<int>{0, 1, 2})) << "carry";
  spec.wiring = Wiring::grid;
  EXPECT_EQ(whole_axes(spec, line_maps(spec)[1]), (std::vector<int>{0, 2}));
  spec.tokens = {}, spec.sets = {};
  EXPECT_EQ(names(spec), std::vector<std::string>{"axis.0"});
}

TEST(LineMap, KindsStandInTheColumnOfTheirAxis) {
  ModelSpec spec = test::bare_spec({2, 3, 4}, Wiring::causal);
  using enum MapKind;
  spec.maps = {attention, joint, joint};
  spec.sets = {1, 2, 2};
  EXPECT_EQ(line_maps(spec), (std::vector<LineMap>{{attention, {0}}, {joint, {1, 2}}}));
  spec.sequence = Sequence::descending;
  EXPECT_EQ(line_maps_in_order(spec)[0].kind, joint);
  EXPECT_TRUE(has_attention(spec));
  spec.maps = {joint, joint, joint}, spec.map = attention;
  EXPECT_FALSE(has_attention(spec)) << "no axis has it";
}

TEST(LineMap, StepsAscend) {
  const LineSteps steps({2, 3, 4}, {MapKind::joint, {0, 2}});
  std::vector<std::int64_t> all;
  for (std::int64_t k = 0; k < steps.count(); ++k) all.push_back(steps[k]);
  EXPECT_EQ(all, (std::vector<std::int64_t>{0, 1, 2, 3, 12, 13, 14, 15}));
  EXPECT_EQ(steps.largest(), 15);
}

TEST(LineMap, RefusesListsThatMakeNoModel) {
  const auto why = [](const std::function<void(ModelSpec&)>& change) {
    ModelSpec spec = test::bare_spec({2, 3}, Wiring::causal);
    change(spec);
    return message_of([&] { check_spec(spec); }, ErrorKind::usage);
  };
  using enum MapKind;
  expect_in("model.maps has 1 entry for the token axes [2, 3]",
            why([](ModelSpec& s) { s.maps = {joint}; }));
  expect_in("model.sets has 3 entries", why([](ModelSpec& s) { s.sets = {1, 2, 3}; }));
  expect_in("model.maps differ within set 4", why([](ModelSpec& s) {
              s.maps = {joint, attention}, s.sets = {4, 4};
            }));
  expect_in("dense is a map of all axes", why([](ModelSpec& s) { s.maps = {joint, dense}; }));
  expect_in("model.sets is for map: joint", why([](ModelSpec& s) {
              s.map = dense, s.sets = {1, 2};
            }));
  expect_in("model.heads 2 with map: joint", why([](ModelSpec& s) { s.heads = 2; }));
  expect_in("model.radius 1 with attention",
            why([](ModelSpec& s) { s.map = attention, s.radius = 1; }));
  expect_in("model.self: once with a set of several axes", why([](ModelSpec& s) {
              s.sets = {1, 1}, s.self = Self::once, s.combine = Combine::parallel;
            }));
  const std::string heads = why([](ModelSpec& s) { s.map = attention, s.heads = 4; });
  expect_in("model.heads 4 with hidden 6", heads);
  expect_in("hidden 8", heads);
}

// A joint map over a set, one product at a time; the two orders.
TEST(LineMap, JointOverASetEqualsItsDefinition) {
  for (const Wiring wiring : {Wiring::causal, Wiring::grid, Wiring::grid_causal})
    for (const Sets& sets :
         {Sets{1, 2, 2, 2}, Sets{1, 2, 1, 2}, Sets{1, 1, 2, 1}, Sets{3, 3, 3, 3}})
      for (const Order order : {Order::channels_inner, Order::batch_inner}) {
        ModelSpec spec = test::bare_spec({2, 3, 2, 2}, wiring);
        spec.sets = sets;
        for (size_t number = 0; number < line_maps(spec).size(); ++number) {
          LineMapKit<double> kit(spec, number, 2, order);
          const std::int64_t line = line_size(spec, kit.sites[number].map), c = 4, g = 6;
          const bool causal = wiring == Wiring::causal;
          const auto x = test::random_numbers<double>(kit.nodes.elements(), "x");
          const Nodes inner{kit.nodes.tokens, 2, c, Order::channels_inner};
          std::vector<double> truth(static_cast<size_t>(inner.rows() * g), 0), z(truth.size(), -99);
          for (std::int64_t row = 0; row < inner.rows(); ++row)
            for (const auto& [source, index, column] :
                 test::connections(spec, kit.axes(number), row / 2))
              for (std::int64_t i = 0; i < c; ++i)
                for (std::int64_t o = 0; o < g; ++o)
                  truth[static_cast<size_t>(row * g + o)] +=
                      x[static_cast<size_t>((source * 2 + row % 2) * c + i)] *
                      kit.weight(".w1").value[causal ? (index * c + i) * g + o
                                                     : ((index * c + i) * line + column) * g + o];
          const bool swap = order == Order::batch_inner;
          kit.map->forward((swap ? reordered(inner, x) : x).data(), z.data());
          if (swap) z = reordered(other_order(inner.with_channels(g)), z);
          for (size_t i = 0; i < z.size(); ++i)  // sums of up to 96 products in another order
            ASSERT_NEAR(z[i], truth[i], 1e-13) << list_text(sets) << " map " << number;
        }
      }
}

// <J x, dz> = <x, J* dz>, and the weight gradient is the sum of products along each path.
TEST(LineMap, BackwardOfASetIsTheAdjoint) {
  for (const Wiring wiring : {Wiring::causal, Wiring::grid, Wiring::grid_causal}) {
    ModelSpec spec = test::bare_spec({2, 3, 2}, wiring);
    spec.sets = {1, 2, 1};
    LineMapKit<double> kit(spec, 1, 2, Order::channels_inner);
    const auto x = test::random_numbers<double>(kit.nodes.elements(), "x"),
               dz = test::random_numbers<double>(kit.nodes.rows() * spec.hidden, "dz");
    std::vector<double> z(dz.size()), dx(x.size(), -99);
    kit.map->forward(x.data(), z.data());
    kit.map->backward(x.data(), dz.data(), dx.data());
    kit.map->backward_weights(x.data(), dz.data());
    double forward = 0, backward = 0, by_weight = 0;
    for (size_t i = 0; i < z.size(); ++i) forward += z[i] * dz[i];
    for (size_t i = 0; i < x.size(); ++i) backward += x[i] * dx[i];
    const Param<double>& w = kit.weight(".w1");
    for (std::int64_t i = 0; i < w.size; ++i) by_weight += w.value[i] * w.grad[i];
    EXPECT_NEAR(forward, backward, 1e-11);  // sums of some thousand products
    EXPECT_NEAR(forward, by_weight, 1e-11);
  }
}

// Chained taps of ones with one channel: element t counts the paths from `source` to t.
std::vector<float> path_counts(ModelSpec spec, std::int64_t source) {
  spec.channels = spec.hidden = 1;
  std::vector<float> x(static_cast<size_t>(context(spec)), 0), y(x.size());
  x[static_cast<size_t>(source)] = 1;
  for (size_t number = line_maps(spec).size(); number-- > 0;) {
    LineMapKit<float> kit(spec, number, 1, Order::channels_inner);
    Param<float>& w = kit.weight(".w1");
    std::fill_n(w.value, w.size, 1.0f);
    kit.map->forward(x.data(), y.data());
    x = y;
  }
  return x;
}

TEST(LineMap, CausalChainsOfSetsReachEveryEarlierTokenByOnePath) {
  for (const Sets& sets :
       {Sets{1, 1, 2, 2}, Sets{1, 2, 1, 2}, Sets{1, 2, 2, 1}, Sets{1, 2, 1, 3}, Sets{1, 1, 1, 1}}) {
    ModelSpec spec = test::bare_spec({2, 3, 2, 2}, Wiring::causal);
    spec.sets = sets;
    for (std::int64_t p = 0; p < context(spec); ++p) {
      const auto counts = path_counts(spec, p);
      for (std::int64_t t = 0; t < context(spec); ++t)
        EXPECT_EQ(counts[static_cast<size_t>(t)], t >= p ? 1 : 0)
            << list_text(sets) << ' ' << p << " -> " << t;
    }
  }
}

// Neighbouring axes in a set are one axis: the same numbers, weight by weight.
TEST(LineMap, NeighboursInASetAreOneAxis) {
  for (const Wiring wiring : {Wiring::causal, Wiring::grid, Wiring::grid_causal}) {
    ModelSpec set = test::bare_spec({2, 3, 4}, wiring), one = test::bare_spec({2, 12}, wiring);
    set.sets = {1, 2, 2};
    LineMapKit<float> of_set(set, 1, 3, Order::channels_inner),
        of_one(one, 1, 3, Order::channels_inner);
    Param<float>&w = of_set.weight(".w1"), &other = of_one.weight(".w1");
    ASSERT_EQ(w.size, other.size);
    std::copy_n(w.value, w.size, other.value);
    const auto x = test::random_numbers<float>(of_set.nodes.elements(), "x");
    std::vector<float> y(static_cast<size_t>(of_set.nodes.rows() * 6)), z(y.size());
    of_set.map->forward(x.data(), y.data());
    of_one.map->forward(x.data(), z.data());
    EXPECT_EQ(y, z);
  }
}

TEST(LineMap, MultiplyAddsOfEachKind) {
  ModelSpec spec = test::bare_spec({2, 3}, Wiring::causal);
  const auto block = [](ModelSpec of) {
    of.blocks = 2;
    const Cost two = forward_macs(of);
    of.blocks = 1;
    return Cost{two.nominal - forward_macs(of).nominal, two.executed - forward_macs(of).executed};
  };
  EXPECT_EQ(block(spec).nominal, (2 + 3) * 4 * 6 + 2 * 6 * 4);
  // Of 6 tokens 6 and 3 have taps 0 and 1 of the outer axis, 6, 5 and 4 those of the inner one.
  EXPECT_DOUBLE_EQ(block(spec).executed, (9 + 15) / 6.0 * 4 * 6 + 2 * 6 * 4);
  spec.sets = {1, 1};
  EXPECT_EQ(block(spec).nominal, 6 * 4 * 6 + 6 * 4);
  EXPECT_DOUBLE_EQ(block(spec).executed, 3.5 * 4 * 6 + 6 * 4);
  spec.map = MapKind::attention;
  spec.gate = true;  // the projections: 4 x (6 + 6 + 12), a score and a value: 6 + 12
  EXPECT_EQ(block(spec).nominal, 4 * 24 + 6 * 18 + 6 * 4);
  EXPECT_DOUBLE_EQ(block(spec).executed, 4 * 24 + 3.5 * 18 + 6 * 4);
}

}  // namespace
}  // namespace ortho
