// What moves send: the plan against the counters of a real exchange between ranks.
#include "trainer/traffic.h"

#include <gtest/gtest.h>

#include "comm/local.h"
#include "tests/support/errors.h"

namespace ortho {
namespace {

constexpr int kRanks = 4;

ModelSpec small_spec() {
  ModelSpec spec;
  spec.tokens = {4, 5};
  spec.channels = spec.hidden = 3;
  return spec;
}

// Home to the lines of s_1, of s_2, and a halo: what a model with these cuts would ask for.
void add_moves(Moves<float>& moves, const Sharding& sharding) {
  const NodeShape nodes = sharding.nodes(3);
  const Layout lines = lines_layout(nodes, sharding.home(), 0);
  ASSERT_NE(moves.add(nodes.shape, sharding.home(), lines, "block 0, there"), nullptr);
  ASSERT_NE(moves.add(nodes.shape, lines, sharding.home(), "block 0, back"), nullptr);
  const Halo halo{0, 1, 5};
  moves.add_halo(nodes, sharding.home(), halo, "block 0, halo");
  moves.take_workspace();
}

void run_all(const Moves<float>& moves, Way way) {
  for (const auto& move : moves.all()) {
    const auto size = [&](const Side& side) { return static_cast<size_t>(elements(side.shape)); };
    std::vector<float> from(size(move->plan().from(way))), into(size(move->plan().into(way)));
    move->run(way, from.data(), into.data(), Fill::over);
  }
}

TEST(Traffic, TheCountersAreThePlanToTheByte) {
  run_local_ranks(kRanks, [](Channel& world) {
    const Sharding sharding(small_spec(), 2, {2, {2}, 1}, world.rank());
    Arena<float> arena, measuring(true);
    Moves<float> moves(sharding, &world, arena), planned(sharding, nullptr, measuring);
    add_moves(moves, sharding);
    add_moves(planned, sharding);
    const std::vector<AxisSent> expected = planned_exchange(planned);
    ASSERT_EQ(expected.size(), 2u);
    EXPECT_EQ(expected[0].axis, "s_1");
    EXPECT_EQ(expected[1].axis, "halo s_1");
    // 2 moves of half of 2 x 5 x 1 x 3 floats, one message each; s_1 is cut in two.
    EXPECT_EQ(expected[0].forward, (Sent{2 * 15 * 4, 2, 0}));
    EXPECT_EQ(expected[0].backward, (Sent{2 * 15 * 4, 2, 0}));
    run_all(moves, Way::forward);  // of another step
    run_all(moves, Way::backward);
    const std::vector<AxisSent> before = counted_exchange(moves);
    run_all(moves, Way::forward);
    run_all(moves, Way::backward);
    std::vector<AxisSent> step =
        difference({counted_exchange(moves), {}, {}}, {before, {}, {}}).exchange;
    ASSERT_EQ(step.size(), expected.size());
    double seconds = 0;
    for (AxisSent& axis : step) {
      seconds += axis.forward.seconds + axis.backward.seconds;
      axis.forward.seconds = axis.backward.seconds = 0;
    }
    EXPECT_GT(seconds, 0);
    EXPECT_EQ(step, expected);
  });
}

TEST(Traffic, Total) {
  const std::vector<AxisSent> exchange = {{"s_1", {100, 1, 0.5}, {200, 2, 0.25}},
                                          {"s_2", {400, 4, 0}, {0, 0, 0}}};
  EXPECT_EQ(total(exchange), (Sent{700, 7, 0.75}));
}

TEST(Traffic, SecondsAreThoseOfTheSlowestRankBytesOnesOwn) {
  run_local_ranks(3, [](Channel& world) {
    const int rank = world.rank();
    StepTraffic traffic;
    traffic.exchange = {{"s_1", {10 + rank, 1, rank == 1 ? 0.3 : 0.1}, {20, 2, 0.1 * rank}}};
    traffic.gradients = {30, 3, rank == 0 ? 1.0 / 3 : 0.25};
    take_slowest(world, traffic);
    EXPECT_EQ(traffic.exchange[0].forward, (Sent{10 + rank, 1, 0.3}));
    EXPECT_EQ(traffic.exchange[0].backward, (Sent{20, 2, 0.2}));
    EXPECT_EQ(traffic.gradients, (Sent{30, 3, 1.0 / 3}));  // to the bit: only zeros were added
  });
}

}  // namespace
}  // namespace ortho
