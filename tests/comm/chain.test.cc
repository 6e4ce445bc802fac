// The cheapest path through layouts: known counts, and every path tried on small cases.
#include "comm/chain.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "tests/support/errors.h"

namespace ortho {
namespace {

// All layouts that cut one of A token axes by one mesh axis of A ranks.
std::vector<Layout> one_cut_each(int axes, int ranks) {
  std::vector<Layout> layouts;
  for (int axis = 0; axis < axes; ++axis)
    layouts.emplace_back(Mesh({{"x", ranks}}), std::vector<int>{axis});
  return layouts;
}

std::vector<int> rounds(int axes, int count) {
  std::vector<int> chain;
  for (int i = 0; i < axes * count; ++i) chain.push_back(i % axes);
  return chain;
}

// A - 1 layers of A maps need A moves, 1 + 1/(A-1) a layer, where going home takes two a layer.
TEST(Chain, OneMoveAndAFractionALayer) {
  for (const int axes : {2, 3, 4, 5}) {
    const NodeShape nodes =
        node_shape(Shape(static_cast<size_t>(axes), 4), 2, 3, Order::batch_inner);
    const std::vector<Layout> layouts = one_cut_each(axes, 4);
    const auto last = static_cast<size_t>(axes - 1);
    const ChainPath path =
        cheapest_chain(nodes, layouts, rounds(axes, axes - 1), last, last, LinkCost{}, 4);
    EXPECT_EQ(path.moves, axes);
    const double one = move_sec(nodes.shape, layouts[0], layouts[1], LinkCost{}, 4);
    // Sums of equal doubles in another order: a few units in the last place.
    EXPECT_NEAR(path.sec, axes * one, 1e-12 * one);
    for (size_t i = 0; i < path.layouts.size(); ++i)
      EXPECT_NE(path.layouts[i], i % static_cast<size_t>(axes)) << "map " << i << " is cut";
  }
}

// What a map costs where it stands outweighs the moves that avoid it, once it is dear enough.
TEST(Chain, AvoidsLayoutsInWhichAMapIsDear) {
  const NodeShape nodes = node_shape({4, 4, 4}, 2, 3, Order::batch_inner);
  const std::vector<Layout> layouts = one_cut_each(3, 4);
  const double one = move_sec(nodes.shape, layouts[0], layouts[1], LinkCost{}, 4);
  for (const double share : {0.0, 1.9, 2.1}) {
    const auto halo = [&](size_t, size_t candidate) { return candidate == 0 ? share * one : 0; };
    const ChainPath path =
        cheapest_chain(nodes, layouts, std::vector<int>{2}, 0, 0, LinkCost{}, 4, halo);
    EXPECT_EQ(path.layouts[0], share > 2 ? 1U : 0U) << share;
    EXPECT_EQ(path.sec, share > 2 ? 2 * one : share * one);
  }
}

TEST(Chain, NothingMovesWhenNothingIsCut) {
  const NodeShape nodes = node_shape({4, 4}, 2, 3, Order::batch_inner);
  const std::vector<Layout> layouts = {Layout(Mesh({{"x", 2}}), {2})};
  const ChainPath path = cheapest_chain(nodes, layouts, rounds(2, 3), 0, 0, LinkCost{}, 4);
  EXPECT_EQ(path.moves, 0);
  EXPECT_EQ(path.sec, 0);
  EXPECT_EQ(path.layouts, std::vector<size_t>(6, 0));
}

// p ranks send p - 1 messages with (p-1)/p of their part.
TEST(Chain, AMoveCostsItsMessagesAndBytes) {
  const Shape shape = {8, 8, 2, 3};
  for (const int p : {2, 4, 8}) {
    const std::vector<Layout> layouts = one_cut_each(2, p);
    const double bytes = 4.0 * 384 / p * (p - 1) / p;
    // Two products and a sum, rounded differently.
    EXPECT_NEAR(move_sec(shape, layouts[0], layouts[1], {1e-5, 1e-9}, 4),
                1e-5 * (p - 1) + 1e-9 * bytes, 1e-15);
    EXPECT_EQ(move_sec(shape, layouts[0], layouts[0], {1e-5, 1e-9}, 4), 0);
  }
}

// Against all count^maps paths, on a 2-D mesh with uneven sizes where moves differ in cost.
TEST(Chain, NoPathIsCheaper) {
  const NodeShape nodes = node_shape({5, 6, 7}, 2, 3, Order::channels_inner);
  const Mesh mesh({{"x", 2}, {"y", 2}});
  std::vector<Layout> layouts;
  for (const auto& cuts : std::vector<std::vector<int>>{{0, 1}, {1, 2}, {2, 2}, {0, 3}, {1, 1}})
    layouts.emplace_back(mesh, cuts);
  const std::vector<int> axes = {2, 1, 0, 2, 1};
  const LinkCost link{1e-6, 1e-9};
  const auto sec = [&](size_t a, size_t b) {
    return move_sec(nodes.shape, layouts[a], layouts[b], link, 4);
  };
  for (size_t begin = 0; begin < layouts.size(); ++begin) {
    const ChainPath path = cheapest_chain(nodes, layouts, axes, begin, 0, link, 4);
    double best = 1;
    const auto paths = static_cast<size_t>(std::pow(layouts.size(), axes.size()));
    for (size_t code = 0; code < paths; ++code) {
      size_t here = begin, rest = code;
      double total = 0;
      for (const int axis : axes) {
        const size_t to = rest % layouts.size();
        rest /= layouts.size();
        total += layouts[to].parts(axis) > 1 ? 1 : sec(here, to);
        here = to;
      }
      best = std::min(best, total + sec(here, 0));
    }
    EXPECT_NEAR(path.sec, best, 1e-15) << begin;  // the same sum of five terms
  }
}

TEST(Chain, AMapMayNeedSeveralAxesWhole) {
  const NodeShape nodes = node_shape({4, 4}, 2, 4, Order::batch_inner);
  const Mesh mesh({{"x", 2}});
  const std::vector<Layout> layouts = {Layout(mesh, {0}), Layout(mesh, {1}), Layout(mesh, {2})};
  const std::vector<std::vector<int>> whole = {{0}, {0, 1}, {0}};
  const ChainPath path = cheapest_chain(nodes, layouts, whole, 0, 0, LinkCost{}, 4);
  EXPECT_EQ(path.layouts, (std::vector<size_t>{2, 2, 2}));  // one move there, one back
  EXPECT_EQ(path.moves, 2);
}

TEST(Chain, RefusesAnAxisThatAllLayoutsCut) {
  const NodeShape nodes = node_shape({4, 4}, 2, 3, Order::batch_inner);
  const std::vector<Layout> layouts = {Layout(Mesh({{"x", 2}}), {1})};
  const std::vector<int> axes = {0, 1};
  const std::string message = message_of(
      [&] { cheapest_chain(nodes, layouts, axes, 0, 0, LinkCost{}, 4); }, ErrorKind::usage);
  EXPECT_NE(message.find("none of the 1 layouts leaves s_2 whole for map 1 of the chain"),
            std::string::npos)
      << message;
}

}  // namespace
}  // namespace ortho
