// Exchanges between processes: drawn moves and halos against their definition, whole messages and
// messages in pieces.
#include <gtest/gtest.h>

#include "comm/mpi.h"
#include "support/exchange_kit.h"

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

// Above MPI's eager size, so that both sides must take part.
TEST(MpiExchange, MovesLargeMessages) {
  const auto channel = make_world_channel();
  const Mesh mesh({{"m", channel->ranks()}});
  const NodeShape nodes = node_shape({24, 25}, 8, 32, Order::batch_inner);
  test::check_move(*channel, {nodes, Layout(mesh, {0}), Layout(mesh, {1})}, 0);
  test::check_move(*channel, {nodes, Layout(mesh, {0}), Layout(mesh, {2})}, 1);
}

}  // namespace
}  // namespace ortho
