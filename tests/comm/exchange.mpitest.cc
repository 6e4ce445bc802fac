// Exchanges between processes: drawn moves and halos against their definition, whole messages and
// messages in pieces.
#include <gtest/gtest.h>

#include "comm/mpi.h"
#include "tests/support/exchange_kit.h"

namespace ortho {
namespace {

TEST(MpiExchange, MovesBetweenAnyTwoLayouts) {
  const auto channel = make_world_channel();
  for (std::uint64_t number = 0; number < 100; ++number)
    test::check_move(*channel, test::draw_move(3, number, channel->ranks()), number);
}

TEST(MpiExchange, BringsTheTokensBefore) {
  const auto channel = make_world_channel();
  for (std::uint64_t number = 0; number < 50; ++number)
    test::check_halo(*channel, test::draw_halo(4, number, channel->ranks()), number);
}

// 100 bytes are no multiple of a run, so pieces begin and end inside of values.
TEST(MpiExchange, MovesInPieces) {
  const auto channel = make_world_channel(100);
  for (std::uint64_t number = 0; number < 50; ++number)
    test::check_move(*channel, test::draw_move(5, number, channel->ranks()), number);
}

TEST(MpiExchange, MovesLongRuns) { test::check_long_runs(*make_world_channel()); }

}  // namespace
}  // namespace ortho
