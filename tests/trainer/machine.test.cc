#include "trainer/machine.h"

#include <gtest/gtest.h>

namespace ortho {
namespace {

TEST(Machine, RanksFillTheNodesInOrder) {
  Machine machine;
  EXPECT_TRUE(nodes_of(machine, 5).empty());
  EXPECT_EQ(node_count(machine, 5), 1);
  machine.ranks_per_node = 2;
  EXPECT_EQ(nodes_of(machine, 5), (std::vector<int>{0, 0, 1, 1, 2}));
  EXPECT_EQ(node_count(machine, 5), 3);
  EXPECT_TRUE(nodes_of(machine, 2).empty());
}

TEST(Machine, ANodesRanksShareItsNetwork) {
  Machine machine;
  machine.ranks_per_node = 4;
  machine.node_latency = 1;
  machine.node_bandwidth = 100;
  machine.network_latency = 10;
  machine.network_bandwidth = 1000;
  const SentByLevel sent{{200, 3, 0}, {500, 2, 0}};
  EXPECT_DOUBLE_EQ(send_sec(machine, 8, sent), 3 + 2 + 20 + 500 / 250.0);
  EXPECT_DOUBLE_EQ(send_sec(machine, 2, sent), 3 + 2 + 20 + 500 / 500.0);  // two ranks in all
}

}  // namespace
}  // namespace ortho
