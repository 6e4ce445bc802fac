// Moves: under which label they count, and that their memory is one the node shares.
#include "model/moves.h"

#include <gtest/gtest.h>

#include "comm/local.h"

namespace ortho {
namespace {

ModelSpec spec_of(const Shape& tokens) {
  ModelSpec spec;
  spec.tokens = tokens;
  spec.channels = spec.hidden = 4;
  return spec;
}

TEST(Moves, LabelsNameTheMeshAxesWhoseCutChanges) {
  const Sharding sharding(spec_of({4, 4, 4}), 4, {2, {2, 2}, 1}, 0);
  const NodeShape nodes = sharding.nodes(4);
  const Layout &home = sharding.home(), &mesh = home;  // batch, s_1, s_2
  ASSERT_EQ(home.cuts(), (std::vector{3, 0, 1}));
  Arena<float> arena(true);
  Moves<float> moves(sharding, nullptr, arena);
  const auto label = [&](const std::vector<int>& cuts) {
    return moves.add(nodes.shape, home, Layout(mesh.mesh(), cuts), "x")->label();
  };
  EXPECT_EQ(label({3, 2, 1}), "s_1");
  EXPECT_EQ(label({3, 0, 2}), "s_2");
  EXPECT_EQ(label({3, 2, 2}), "s_1+s_2");
  EXPECT_EQ(label({3, 2, kReplicates}), "s_1+s_2");
  EXPECT_EQ(label({2, 0, 1}), "batch");
  EXPECT_EQ(moves.add(nodes.shape, home, home, "x"), nullptr);
  // Taps along s_3 reach rows of the ranks along s_2, and past its first row those along s_1.
  EXPECT_EQ(moves.add_halo(nodes, home, {1, 2, 3}, "x")->label(), "halo s_1+s_2");
  const Layout outer(mesh.mesh(), {3, 0, 0});
  EXPECT_EQ(moves.add_halo(nodes, outer, {0, 1, 2}, "x")->label(), "halo s_1+s_2");
  EXPECT_EQ(moves.all().back()->what(), "x");
}

struct Case {
  NodeSetting nodes;
  bool shared;
};

// s_1 comes home from its lines: out of ordinary memory and out of a room.
void come_home(Channel& world, const Case& expected) {
  const Sharding sharding(spec_of({4, 6}), 2, {1, {world.ranks()}, 1}, world.rank());
  const NodeShape nodes = sharding.nodes(4);
  const Layout lines = lines_layout(nodes, sharding.home(), 0);
  Arena<float> arena, measuring(true);
  Moves<float> moves(sharding, &world, arena), planned(sharding, nullptr, measuring);
  for (Moves<float>* each : {&moves, &planned}) {
    each->add(nodes.shape, lines, sharding.home(), "home");
    each->room(1, 5);  // so that the next one does not begin where this one does
    each->room(2, elements(extent(sharding.box(lines, 4))));
    each->take_workspace();
  }
  EXPECT_EQ(arena.bytes(), measuring.bytes());
  const std::span<float> room = moves.room(2, 0);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(room.data()) % 64, 0u);
  EXPECT_EQ(world.reads(world.rank(), room.data(), 4) != nullptr, expected.shared);
  std::vector<float> own(room.size()), home(own.size(), -1), again(own.size(), -2);
  for (size_t i = 0; i < own.size(); ++i)
    room[i] = own[i] = static_cast<float>(1000 * world.rank()) + static_cast<float>(i);
  Move<float>& move = *moves.all().front();
  move.run(Way::forward, own.data(), home.data(), Fill::over);
  move.run(Way::forward, room.data(), again.data(), Fill::over);
  EXPECT_EQ(home, again);
  EXPECT_EQ(home[0], world.rank() == 0 ? 0 : own.size() / 2);  // row 2 of rank 0's half of s_2
  const ExchangeCount count = move.count(Way::forward);
  EXPECT_EQ(count.levels.node.bytes, expected.shared ? count.bytes : 0);
  EXPECT_EQ(count.levels.network.bytes, expected.shared ? 0 : count.bytes);
  EXPECT_EQ(count.bytes, 2 * move.plan().sent_bytes(Way::forward));
}

TEST(Moves, ReadEachOthersMemoryWithinANode) {
  for (const Case& one : {Case{{}, true}, Case{{.ranks_per_node = 1}, false},
                          Case{{.shared_bytes = 0}, false}})  // too little room: by messages
    run_local_ranks(
        2, [&](Channel& world) { come_home(world, one); }, one.nodes);
}

}  // namespace
}  // namespace ortho
