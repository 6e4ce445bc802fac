// Layouts: Boxes tile the tensor on every mesh, replicas hold the same, and refusals name the way
// out.
#include "comm/layout.h"

#include <gtest/gtest.h>

#include <set>

#include "comm/local.h"
#include "core/error.h"
#include "tests/support/errors.h"
#include "tests/support/exchange_kit.h"

namespace ortho {
namespace {

// How many ranks hold each element: as many as the axes that replicate have ranks.
void check_tiling(const Shape& shape, const Layout& layout) {
  size_t copies = 1;
  for (size_t m = 0; m < layout.cuts().size(); ++m)
    if (layout.cuts()[m] == kReplicates)
      copies *= static_cast<size_t>(layout.mesh().axes()[m].ranks);
  std::vector<size_t> held(static_cast<size_t>(elements(shape)));
  for (int rank = 0; rank < layout.mesh().ranks(); ++rank) {
    const Box box = layout.box(shape, rank);
    test::for_each_index(
        box, [&](const Index& at) { ++held[static_cast<size_t>(test::linear(shape, at))]; });
    EXPECT_EQ(layout.replicas(rank).size(), copies);
    for (const int other : layout.replicas(rank)) EXPECT_EQ(layout.box(shape, other), box);
  }
  EXPECT_EQ(held, std::vector<size_t>(held.size(), copies)) << shape_text(shape);
}

TEST(Layout, BoxesTileOnAnyMesh) {
  for (int ranks = 1; ranks <= 12; ++ranks)
    for (std::uint64_t number = 0; number < 100; ++number) {
      const test::MoveCase one = test::draw_move(6, number, ranks);
      check_tiling(one.nodes.shape, one.from);
    }
}

TEST(Layout, BoxesTileAtExtentsAroundTheRanks) {
  for (int ranks = 1; ranks <= 12; ++ranks)
    for (const std::int64_t size : {1, 2, 3, 7, 11, 12, 13})
      check_tiling({2, size}, Layout(Mesh({{"m", ranks}}), {1}));
}

TEST(Layout, CutsOfOneAxisNestInMeshOrder) {
  const Layout layout(Mesh({{"outer", 2}, {"inner", 2}}), {0, 0});
  EXPECT_EQ(layout.parts(0), 4);
  const Layout outer(layout.mesh(), {0, kReplicates});
  const std::vector<std::int64_t> starts = {0, 2, 4, 6};  // of 7: halves 4 and 3, then 2 2 2 1
  for (int rank = 0; rank < 4; ++rank) {
    const Box box = layout.box({7}, rank);
    EXPECT_EQ(box.lo[0], starts[static_cast<size_t>(rank)]);
    EXPECT_EQ(intersect(box, outer.box({7}, rank)), box);  // inside what the outer axis gives
  }
}

TEST(Layout, NamesTheAxesOfBothOrders) {
  const NodeShape inner = node_shape({4, 8}, 2, 3, Order::channels_inner);
  EXPECT_EQ(inner.shape, (Shape{4, 8, 2, 3}));
  EXPECT_EQ(inner.name(1) + inner.name(2) + inner.name(3), "s_2batchchannels");
  const NodeShape batch = node_shape({4, 8}, 2, 3, Order::batch_inner);
  EXPECT_EQ(batch.shape, (Shape{4, 8, 3, 2}));
  EXPECT_EQ(batch.name(2) + batch.name(3), "channelsbatch");
  const Layout layout(Mesh({{"data", 2}, {"x", 4}, {"y", 3}}), {3, 0, kReplicates});
  EXPECT_EQ(layout_text(batch, layout), "data 2 cuts batch, x 4 cuts s_1, y 3 replicates");
}

TEST(Layout, RefusesAnAxisSmallerThanItsCut) {
  const NodeShape nodes = node_shape({16, 6}, 2, 8, Order::batch_inner);
  check_layout(nodes, Layout(Mesh({{"x", 6}}), {1}));
  const std::string message = message_of(
      [&] {
        check_layout(nodes, Layout(Mesh({{"x", 2}, {"y", 4}}), {1, 1}));
      },
      ErrorKind::usage);
  EXPECT_NE(message.find("s_2 has size 6 but the mesh cuts it into 8 parts (x 2, y 4): some ranks "
                         "would hold nothing. Cut it into at most 6 parts; [6, 3, 2] are even. "
                         "Large enough for 8 parts: s_1 (16), channels (8)."),
            std::string::npos)
      << message;
  const std::string none = message_of(
      [&] {
        check_layout(nodes, Layout(Mesh({{"x", 17}}), {0}));
      },
      ErrorKind::usage);
  EXPECT_NE(none.find("No other axis is large enough for 17 parts."), std::string::npos) << none;
}

TEST(Layout, LinesGoToTheOutermostEvenAxis) {
  const Mesh mesh({{"x", 4}});
  const auto partner = [&](const Shape& tokens, std::int64_t channels, int axis, bool batch) {
    const NodeShape nodes = node_shape(tokens, 64, channels, Order::batch_inner);
    return lines_layout(nodes, Layout(mesh, {axis}), axis, batch).cuts()[0];
  };
  EXPECT_EQ(partner({8, 8, 8}, 16, 0, false), 1);
  EXPECT_EQ(partner({8, 8, 8}, 16, 1, false), 0);
  EXPECT_EQ(partner({8, 6, 8}, 16, 0, false), 2);  // 6 is not even
  EXPECT_EQ(partner({8, 2, 2}, 16, 0, false), 3);  // the channels
  EXPECT_EQ(partner({8, 5, 7}, 3, 0, false), 2);   // none is even: the longest
  EXPECT_EQ(partner({8, 2}, 3, 0, true), 3);       // the batch, if it may
  EXPECT_EQ(partner({8, 8}, 16, 2, false), 0);     // a map along the channels
}

TEST(Layout, LinesOfSeveralMeshAxes) {
  const NodeShape nodes = node_shape({4, 4, 2}, 3, 5, Order::channels_inner);
  const Mesh mesh({{"x", 2}, {"y", 2}});
  EXPECT_EQ(lines_layout(nodes, Layout(mesh, {0, 0}), 0).cuts(), (std::vector<int>{1, 1}));
  EXPECT_EQ(lines_layout(nodes, Layout(mesh, {0, 1}), 0).cuts(), (std::vector<int>{2, 1}));
  const NodeShape twos = node_shape({2, 2, 2, 2}, 3, 5, Order::channels_inner);
  EXPECT_EQ(lines_layout(twos, Layout(mesh, {0, 1}), 0).cuts(), (std::vector<int>{2, 1}));
}

TEST(Layout, SeveralAxesMayHaveToBeWhole) {
  const NodeShape nodes = node_shape({4, 4, 2}, 3, 4, Order::batch_inner);
  const Mesh mesh({{"x", 2}, {"y", 2}});
  const auto cuts = [&](std::vector<int> from, const std::vector<int>& axes) {
    return lines_layout(nodes, Layout(mesh, std::move(from)), axes).cuts();
  };
  EXPECT_EQ(cuts({0, 1}, {0, 1}), (std::vector<int>{2, 3}));
  EXPECT_EQ(cuts({1, 2}, {0, 1}), (std::vector<int>{3, 2}));
  EXPECT_EQ(cuts({0, 1}, {0, 1, 2}), (std::vector<int>{3, 3}));
  EXPECT_EQ(cuts({2, 3}, {0, 1}), (std::vector<int>{2, 3}));
  EXPECT_FALSE(find_lines_layout(nodes, Layout(mesh, {0, 1}), {0, 1, 2, 3}).has_value());
}

// Alone x would take s_3, but then y found nothing.
TEST(Layout, AMeshAxisLeavesALaterOneItsPartner) {
  const NodeShape nodes = node_shape({2, 4, 4}, 3, 2, Order::batch_inner);
  const Layout home(Mesh({{"x", 2}, {"y", 4}}), {0, 1});
  EXPECT_EQ(lines_layout(nodes, home, {0, 1}).cuts(), (std::vector<int>{3, 2}));
}

TEST(Layout, RefusesFewerLinesThanRanks) {
  const NodeShape nodes = node_shape({8}, 64, 3, Order::batch_inner);
  const std::string message = message_of(
      [&] {
        lines_layout(nodes, Layout(Mesh({{"x", 4}}), {0}), 0);
      },
      ErrorKind::usage);
  EXPECT_NE(message.find("a map needs s_1 whole, but x 4 finds no axis to cut instead in "
                         "[8, 3, 64] (x 4 cuts s_1): there are fewer lines than ranks."),
            std::string::npos)
      << message;
}

TEST(Layout, AMoveInvolvesTheAxesThatChange) {
  const Mesh mesh({{"x", 2}, {"y", 2}, {"z", 2}});
  const auto ranks = [&](std::vector<int> from, std::vector<int> to) {
    return move_ranks(Layout(mesh, std::move(from)), Layout(mesh, std::move(to)), 0);
  };
  EXPECT_EQ(ranks({0, 1, 2}, {0, 1, 2}), (std::vector<int>{0}));
  EXPECT_EQ(ranks({0, 1, 2}, {0, 3, 2}), (std::vector<int>{0, 2}));
  EXPECT_EQ(ranks({0, 0, 2}, {0, 1, 2}), (std::vector<int>{0, 2}));        // inside x's part
  EXPECT_EQ(ranks({0, 0, 2}, {1, 0, 2}), (std::vector<int>{0, 2, 4, 6}));  // y nests in x
  EXPECT_EQ(ranks({kReplicates, 0, 2}, {0, 0, 2}), (std::vector<int>{0, 2, 4, 6}));
}

TEST(Layout, ReplicasShareAChannel) {
  run_local_ranks(6, [](Channel& world) {
    const Layout layout(Mesh({{"data", 2}, {"x", 3}}), {kReplicates, 0});
    const std::unique_ptr<Channel> replicas = replica_channel(world, layout);
    EXPECT_EQ(replicas->ranks(), 2);
    EXPECT_EQ(replicas->rank(), world.rank() / 3);
    EXPECT_EQ(replicas->max(world.rank()) % 3, world.rank() % 3);
  });
}

}  // namespace
}  // namespace ortho
