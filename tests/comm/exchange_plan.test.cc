// Plans without a channel: both ends of each message agree, the bytes are those of the formulas.
#include "comm/exchange_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/errors.h"
#include "tests/support/exchange_kit.h"

namespace ortho {
namespace {

using test::MoveCase;

std::vector<Plan> all_plans(const MoveCase& one) {
  std::vector<Plan> plans;
  for (int rank = 0; rank < one.from.mesh().ranks(); ++rank)
    plans.push_back(plan_exchange(one.nodes.shape, one.from, one.to, rank, 4));
  return plans;
}

const Message* message_with(const Side& side, int rank) {
  for (const Message& message : side.messages)
    if (message.rank == rank) return &message;
  return nullptr;
}

// send[i][j] == receive[j][i], box by box: the same extents in the same order.
void check_both_ends(const std::vector<Plan>& plans, const std::string& what) {
  for (const Plan& giver : plans)
    for (const Plan& taker : plans) {
      const Message* out = message_with(giver.source, taker.rank);
      const Message* in = message_with(taker.target, giver.rank);
      ASSERT_EQ(out == nullptr, in == nullptr) << what << ": " << giver.rank << " " << taker.rank;
      if (out == nullptr) continue;
      EXPECT_EQ(out->elements, in->elements) << what;
      EXPECT_EQ(out->piece, in->piece) << what;
      ASSERT_EQ(out->boxes.size(), in->boxes.size()) << what;
      for (size_t i = 0; i < out->boxes.size(); ++i)
        EXPECT_EQ(extent(out->boxes[i]), extent(in->boxes[i])) << what;
      EXPECT_EQ(out->far_boxes, in->boxes) << what;
      EXPECT_EQ(in->far_boxes, out->boxes) << what;
      EXPECT_EQ(out->far_shape, taker.target.shape) << what;
      EXPECT_EQ(in->far_shape, giver.source.shape) << what;
    }
}

TEST(ExchangePlan, BothEndsAgree) {
  for (int ranks = 1; ranks <= 12; ++ranks)
    for (std::uint64_t number = 0; number < 100; ++number) {
      const MoveCase one = test::draw_move(7, number, ranks);
      check_both_ends(all_plans(one), test::case_text(one));
      const test::HaloCase halo = test::draw_halo(8, number, ranks);
      std::vector<Plan> plans;
      for (int rank = 0; rank < ranks; ++rank)
        plans.push_back(plan_halo(halo.nodes, halo.layout, halo.halo, rank, 4));
      check_both_ends(plans, "halo " + layout_text(halo.nodes, halo.layout));
    }
}

// A rank receives what its target has and its source has not: nothing more can be spared.
TEST(ExchangePlan, ReceivesWhatItLacksFromTheRanksOfTheMove) {
  for (int ranks = 1; ranks <= 12; ++ranks)
    for (std::uint64_t number = 0; number < 100; ++number) {
      const MoveCase one = test::draw_move(9, number, ranks);
      const Shape& shape = one.nodes.shape;
      for (const Plan& plan : all_plans(one)) {
        const Box source = one.from.box(shape, plan.rank), target = one.to.box(shape, plan.rank);
        EXPECT_EQ(plan.target.packed, elements(target) - elements(intersect(source, target)))
            << test::case_text(one);
        EXPECT_EQ(plan.sent_bytes(Way::backward), 4 * plan.target.packed);
        EXPECT_TRUE(plan.target.full) << test::case_text(one);
        const std::vector<int> involved = move_ranks(one.from, one.to, plan.rank);
        for (const Side* side : {&plan.source, &plan.target})
          for (const Message& message : side->messages)
            EXPECT_TRUE(std::binary_search(involved.begin(), involved.end(), message.rank))
                << test::case_text(one) << ", rank " << plan.rank << " and " << message.rank;
      }
    }
}

// p ranks, L local elements: the three algorithms of a map along a cut axis.
TEST(ExchangePlan, BytesAreThoseOfTheFormulas) {
  for (const int p : {2, 3, 4, 8}) {
    const NodeShape nodes = node_shape({2 * p, 3 * p}, 5, 7, Order::batch_inner);
    const std::int64_t local = elements(nodes.shape) / p;
    const Mesh mesh({{"x", p}});
    const Layout cut(mesh, {0}), lines(mesh, {1}), all(mesh, {kReplicates});
    for (const Plan& plan : all_plans({nodes, cut, lines})) {
      for (const Way way : {Way::forward, Way::backward}) {
        EXPECT_EQ(plan.sent_bytes(way), 4 * local * (p - 1) / p);
        EXPECT_EQ(plan.sent_messages(way), p - 1);
      }
      EXPECT_EQ(plan.workspace(), 2 * local * (p - 1) / p);
      EXPECT_TRUE(plan.source.disjoint && plan.source.full);
    }
    for (const Plan& plan : all_plans({nodes, cut, all}))
      for (const Way way : {Way::forward, Way::backward})  // all-gather, reduce-scatter
        EXPECT_EQ(plan.sent_bytes(way), 4 * local * (p - 1));
    for (const Plan& plan : all_plans({nodes, all, cut}))
      EXPECT_EQ(plan.sent_bytes(Way::forward), 0);  // everyone has its slice
  }
}

// The outermost axis is cut: each source's message is one run of the lines' array, and a halo one
// of both arrays.
// 8 ranks on nodes of 4: a cut over all of them sends 3/8 of the array within the node and 4/8 out of
// it, the axis of a mesh that lies inside the nodes nothing out, the other axis nothing within.
TEST(ExchangePlan, TrafficIsToldByLevel) {
  const NodeShape nodes = node_shape({8, 8}, 16, 32, Order::batch_inner);
  const std::vector<int> places = {0, 0, 0, 0, 1, 1, 1, 1};
  const Mesh one({{"m", 8}}), two({{"outer", 2}, {"inner", 4}});
  const std::int64_t local = elements(nodes.shape) / 8 * 4;  // bytes
  struct Case {
    Layout from, to;
    std::int64_t node, network;
  };
  const std::vector<Case> cases = {
      {Layout(one, {0}), Layout(one, {1}), local * 3 / 8, local * 4 / 8},
      {Layout(two, {2, 0}), Layout(two, {2, 1}), local * 3 / 4, 0},
      {Layout(two, {0, 2}), Layout(two, {1, 2}), 0, local / 2},
  };
  for (const Case& move : cases)
    for (int rank = 0; rank < 8; ++rank) {
      const Plan plan = plan_exchange(nodes.shape, move.from, move.to, rank, 4);
      for (const Way way : {Way::forward, Way::backward}) {
        const LevelTraffic sent = sent_traffic(plan, way, places);
        EXPECT_EQ(sent.node.bytes, move.node) << layout_text(nodes, move.to);
        EXPECT_EQ(sent.network.bytes, move.network) << layout_text(nodes, move.to);
        EXPECT_EQ(sent.node.messages, move.node == 0 ? 0 : 3);
        EXPECT_EQ(sent.network.messages, move.network == 0 ? 0 : move.node == 0 ? 1 : 4);
        const LevelTraffic alone = sent_traffic(plan, way, {});
        EXPECT_EQ(alone.node.bytes + alone.node.messages, 0);
        EXPECT_EQ(alone.network.bytes, plan.sent_bytes(way));
        EXPECT_EQ(alone.network.messages, plan.sent_messages(way));
      }
    }
}

TEST(ExchangePlan, OneSideNeedsNoPacking) {
  const NodeShape nodes = node_shape({4, 8, 3}, 2, 5, Order::channels_inner);
  const Mesh mesh({{"x", 4}});
  for (const Plan& plan : all_plans({nodes, Layout(mesh, {0}), Layout(mesh, {1})}))
    for (const Message& message : plan.target.messages) EXPECT_TRUE(message.in_place);
  for (int rank = 0; rank < 4; ++rank) {
    const Plan plan = plan_halo(nodes, Layout(mesh, {0}), {0, 2, 6}, rank, 4);
    for (const Side* side : {&plan.source, &plan.target})
      for (const Message& message : side->messages) EXPECT_TRUE(message.in_place);
    EXPECT_EQ(plan.sent_bytes(Way::forward), rank < 3 ? 4 * 6 * 2 * 5 : 0);
    EXPECT_EQ(plan.target.full, rank > 0);  // zeros before the start
  }
}

// Runs of 64 KB at both ends go without packing, each as a message of its own.
TEST(ExchangePlan, LongRunsArePieces) {
  const Mesh mesh({{"x", 2}});
  for (const std::int64_t windows : {255, 256}) {
    const NodeShape nodes = node_shape({6, 8}, windows, 32, Order::batch_inner);
    for (const Plan& plan : all_plans({nodes, Layout(mesh, {0}), Layout(mesh, {1})})) {
      const bool long_runs = windows == 256;  // 4 tokens of 32 channels and 256 windows, 4 bytes
      EXPECT_EQ(plan.sent_messages(Way::forward), long_runs ? 3 : 1);
      EXPECT_EQ(plan.sent_messages(Way::backward), long_runs ? 3 : 1);
      for (const Message& message : plan.source.messages)
        EXPECT_EQ(message.in_place, long_runs) << windows;
      for (const Message& message : plan.target.messages) EXPECT_TRUE(message.in_place);
    }
  }
}

TEST(ExchangePlan, HaloOfACutInsideIsTheRowBefore) {
  // s_2 = 4 cut in two, s_1 = 3: rank 0's rows are preceded by rank 1's last of the s_1 before.
  const NodeShape nodes = node_shape({3, 4, 2}, 1, 1, Order::channels_inner);
  const Layout layout(Mesh({{"x", 2}}), {1});
  const Plan first = plan_halo(nodes, layout, {1, 2, 1}, 0, 4);
  ASSERT_EQ(first.target.messages.size(), 1U);
  EXPECT_EQ(first.target.messages[0].rank, 1);
  EXPECT_EQ(first.target.messages[0].elements, 2);  // s_1 = 1 and 2; nothing comes before 0
  EXPECT_FALSE(first.target.full);
  const Plan second = plan_halo(nodes, layout, {1, 2, 1}, 1, 4);
  ASSERT_EQ(second.target.messages.size(), 1U);
  EXPECT_EQ(second.target.messages[0].elements, 3);
  EXPECT_TRUE(second.target.full);
}

// Taps along s_2 between two cut axes: a rank's halo comes from the rank before it along s_1 that
// holds the same coordinates of s_3.
TEST(ExchangePlan, HaloLeavesTheAxesInsideTheTapsApart) {
  const NodeShape nodes = node_shape({4, 3, 6}, 2, 5, Order::channels_inner);
  const Layout layout(Mesh({{"x", 2}, {"y", 3}}), {0, 2});
  for (int rank = 0; rank < 6; ++rank) {
    const Plan plan = plan_halo(nodes, layout, {0, 1, 2}, rank, 4);
    EXPECT_EQ(plan.target.shape, (Shape{2, 2, 2, 5}));  // 2 rows of 2 tokens
    ASSERT_EQ(plan.target.messages.size(), rank < 3 ? 0U : 1U);
    if (rank < 3) continue;
    EXPECT_EQ(plan.target.messages[0].rank, rank - 3);
    EXPECT_EQ(plan.target.messages[0].elements, 2 * 2 * 2 * 5);
    EXPECT_TRUE(plan.target.messages[0].in_place);
  }
}

TEST(ExchangePlan, RefusesHalosThatCannotBe) {
  const NodeShape nodes = node_shape({4, 4, 2}, 1, 1, Order::channels_inner);
  const Mesh mesh({{"x", 2}});
  const auto refusal = [&](int cut, const Halo& halo) {
    return message_of([&] { plan_halo(nodes, Layout(mesh, {cut}), halo, 0, 4); }, ErrorKind::usage);
  };
  EXPECT_NE(refusal(0, {0, 2, 9}).find("a halo of 9 rows is longer than a step of s_1, 8"),
            std::string::npos);
  EXPECT_NE(refusal(1, {0, 1, 1}).find("a halo along s_1 needs s_2 whole, but it is cut"),
            std::string::npos);
}

TEST(ExchangePlan, HashTellsPlansApartAndIsOneForAllRanks) {
  const Mesh mesh({{"x", 2}, {"y", 2}});
  const auto hash = [&](const Shape& shape, std::vector<int> from, std::vector<int> to, int rank,
                        int bytes) {
    return plan_exchange(shape, Layout(mesh, std::move(from)), Layout(mesh, std::move(to)), rank,
                         bytes)
        .hash;
  };
  const std::uint64_t own = hash({4, 4}, {0, 1}, {1, 0}, 0, 4);
  EXPECT_EQ(hash({4, 4}, {0, 1}, {1, 0}, 3, 4), own);
  EXPECT_NE(hash({4, 5}, {0, 1}, {1, 0}, 0, 4), own);
  EXPECT_NE(hash({4, 4}, {1, 0}, {0, 1}, 0, 4), own);
  EXPECT_NE(hash({4, 4}, {0, 1}, {1, 0}, 0, 8), own);
  const NodeShape nodes = node_shape({4, 4}, 4, 4, Order::channels_inner);
  const auto halo = [&](const Halo& wanted) {
    return plan_halo(nodes, Layout(mesh, {0, 2}), wanted, 0, 4).hash;
  };
  EXPECT_NE(halo({0, 1, 1}), halo({0, 1, 2}));
  EXPECT_NE(halo({0, 0, 1}), halo({0, 1, 1}));
}

}  // namespace
}  // namespace ortho
