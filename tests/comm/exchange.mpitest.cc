// Exchanges between processes: drawn moves and halos against their definition, by messages whole and
// in pieces, out of shared memory, and both at once.
#include <gtest/gtest.h>

#include "comm/mpi.h"
#include "tests/support/exchange_kit.h"

namespace ortho {
namespace {

constexpr test::Ground kGrounds[] = {test::Ground::ordinary, test::Ground::workspace,
                                     test::Ground::shared};
constexpr NodeSetting kPairs{.ranks_per_node = 2};

TEST(MpiExchange, MovesBetweenAnyTwoLayouts) {
  const auto channel = make_world_channel();
  for (const test::Ground ground : kGrounds) test::check_moves(*channel, ground, 3, 100);
}

TEST(MpiExchange, BringsTheTokensBefore) {
  const auto channel = make_world_channel();
  for (const test::Ground ground : kGrounds) test::check_halos(*channel, ground, 4, 50);
}

// With 4 ranks two nodes of two, with 3 one of two and one of one.
TEST(MpiExchange, MovesWithinAndBetweenNodes) {
  const auto channel = make_world_channel(kPieceBytes, kPairs);
  for (const test::Ground ground : kGrounds) test::check_moves(*channel, ground, 7, 50);
}

// 100 bytes are no multiple of a run, so pieces begin and end inside of values.
TEST(MpiExchange, MovesInPieces) {
  const auto channel = make_world_channel(100, kPairs);
  for (const test::Ground ground : kGrounds) test::check_moves(*channel, ground, 5, 30);
}

TEST(MpiExchange, MovesLongRuns) {
  const auto channel = make_world_channel();
  for (const test::Ground ground : kGrounds) test::check_long_runs(*channel, ground);
}

TEST(MpiExchange, AddsInRankOrder) {
  const auto channel = make_world_channel(kPieceBytes, kPairs);
  for (const test::Ground ground : kGrounds) test::check_rank_order(*channel, ground);
}

TEST(MpiExchange, ReusesSharedMemory) {
  test::check_reuse(*make_world_channel(), 1000);
  test::check_reuse(*make_world_channel(kPieceBytes, kPairs), 1000);
}

TEST(MpiExchange, TooLittleRoomFallsBackToMessages) {
  for (const std::int64_t room : {0, 1 << 20}) {  // for nothing; for the flags of offers alone
    const auto channel = make_world_channel(kPieceBytes, {.shared_bytes = room});
    EXPECT_FALSE(test::Memory(*channel, test::Ground::shared).pulls());
    test::check_moves(*channel, test::Ground::shared, 6, 10);
  }
}

}  // namespace
}  // namespace ortho
