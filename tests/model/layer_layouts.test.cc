// In which layouts the maps of a dense layer run, and how their weights are cut.
#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/errors.h"
#include "tests/support/layer_shard_kit.h"

namespace ortho {
namespace {

using CutLists = std::vector<std::vector<int>>;

// Of nodes [s_1][s_2][s_3][C][B], and of the weights.
CutLists cut_lists(const std::vector<Layout>& layouts) {
  CutLists lists;
  for (const Layout& layout : layouts) lists.push_back(layout.cuts());
  return lists;
}

CutLists map_cuts(const LayerCase& one) {
  const Sharding sharding(one.spec, one.windows, one.cuts, 0, one.order);
  return cut_lists(layer_layouts(one.spec, sharding, one.channels, one.single_out));
}

CutLists weight_cuts(const LayerCase& one) {
  const Sharding sharding(one.spec, one.windows, one.cuts, 0, one.order);
  return cut_lists(layer_param_layouts(one.spec, sharding, one.channels, one.single_out));
}

TEST(LayerLayouts, ASumRunsAtHomeOrAtItsLines) {
  const Cuts cuts{2, {2}, 1};
  LayerCase one = plain_case({4, 4, 4}, Combine::parallel, Weights::separate, Wiring::grid, cuts);
  EXPECT_EQ(map_cuts(one), (CutLists{{4, 1}, {4, 0}, {4, 0}, {4, 0}}));
  one.spec.wiring = Wiring::causal;  // taps along s_2 and s_3 reach into rows of s_1
  EXPECT_EQ(map_cuts(one), (CutLists{{4, 1}, {4, 2}, {4, 3}, {4, 0}}));
}

TEST(LayerLayouts, AChainGoesHomeOnlyAtItsEnds) {
  LayerCase one =
      plain_case({4, 4, 4}, Combine::sequential, Weights::separate, Wiring::grid, {1, {2}, 1});
  one.spec.sequence = Sequence::ascending;
  for (const Wiring wiring : {Wiring::grid, Wiring::causal}) {
    one.spec.wiring = wiring;
    const CutLists cuts = map_cuts(one);
    EXPECT_EQ(cuts.back(), (std::vector<int>{0})) << "channels, whole at home";
    int moves = cuts.front() != std::vector<int>{0} ? 1 : 0;
    for (size_t i = 0; i + 1 < cuts.size(); ++i) moves += cuts[i] != cuts[i + 1] ? 1 : 0;
    EXPECT_EQ(moves, 2) << static_cast<int>(wiring);
  }
}

TEST(LayerLayouts, SeparateWeightsAreCutLikeTheirLines) {
  const Cuts cuts{2, {2}, 1};
  LayerCase one = plain_case({4, 4, 4}, Combine::parallel, Weights::separate, Wiring::grid, cuts);
  constexpr int kCopies = kReplicates;
  EXPECT_EQ(weight_cuts(one), (CutLists{{kCopies, 1}, {kCopies, 0}, {kCopies, 0}, {kCopies, 0}}));
  one.order = Order::channels_inner;  // weights have the order of the grid
  one.spec.wiring = Wiring::causal;
  EXPECT_EQ(weight_cuts(one), (CutLists{{kCopies, 1}, {kCopies, 2}, {kCopies, 3}, {kCopies, 0}}));
  one.spec.weights = Weights::by_position;
  EXPECT_EQ(weight_cuts(one), (CutLists(4, {kCopies, kCopies})));
}

std::string refused(const LayerCase& one) {
  return message_of([&] { map_cuts(one); }, ErrorKind::usage);
}

TEST(LayerLayouts, RefusesWhatHasNoLines) {
  LayerCase one = plain_case({4, 3}, Combine::single, Weights::separate, Wiring::grid, {1, {4}, 1});
  one.channels = one.spec.channels = 2;
  one.spec.single_axis = 0;
  EXPECT_EQ(map_cuts(one), (CutLists{{0}}));  // partial sums
  one.spec.wiring = Wiring::grid_causal;
  expect_in(
      "a map needs s_1 whole, but s_1 4 finds no axis to cut instead in [4, 3, 2, 4] "
      "(s_1 4 cuts s_1): there are fewer lines than ranks. Use fewer ranks along s_1 4",
      refused(one));
  one.spec.wiring = Wiring::grid;
  one.spec.weights = Weights::shared;  // the batch has 4 windows
  EXPECT_EQ(map_cuts(one), (CutLists{{3}}));
  one.single_out = 3;
  expect_in("s_1 has size 3 but the mesh cuts it into 4 parts", refused(one));
  one.single_out = 5;
  EXPECT_EQ(map_cuts(one), (CutLists{{3}}));
}

TEST(LayerLayouts, HeadsAreCutAsWholes) {
  LayerCase one = plain_case({4, 3}, Combine::parallel, Weights::shared, Wiring::grid, {1, {}, 2});
  one.spec.heads = 2;
  constexpr int kCopies = kReplicates;
  // [head][s][s] of the token axes is cut with its channels; the channels' own map has all of them.
  EXPECT_EQ(weight_cuts(one), (CutLists{{0}, {0}, {kCopies}}));
  one.spec.weights = Weights::per_channel;
  EXPECT_EQ(weight_cuts(one), (CutLists{{0}, {0}, {kCopies}}));
  one.spec.weights = Weights::tied;
  expect_in("weights: tied with model.heads 2 stay whole, but the mesh leaves 2 parts",
            refused(one));
  one.spec.heads = 1;
  EXPECT_EQ(weight_cuts(one), (CutLists{{kCopies}, {kCopies}}));
  one.spec.weights = Weights::shared;
  one.spec.heads = 3;
  one.channels = one.spec.channels = 6;
  expect_in("the mesh leaves 2 parts of the channels where a map runs, but model.heads are 3",
            refused(one));
}

}  // namespace
}  // namespace ortho
