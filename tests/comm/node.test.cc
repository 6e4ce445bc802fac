// Nodes: numbering, rehearsed nodes, room, and where shared memory lies for whom.
#include "comm/node.h"

#include <gtest/gtest.h>

#include <limits>

#include "core/error.h"
#include "tests/support/errors.h"

namespace ortho {
namespace {

using Numbers = std::vector<int>;

// A launcher that deals ranks out in turn: 0 and 3 on the first machine, 1 and 4 on the second …
TEST(Node, NumbersAreConsecutiveWithinANode) {
  EXPECT_EQ(number_by_node(Numbers{7, 5, 6, 7, 5, 6}), (Numbers{0, 2, 4, 1, 3, 5}));
  EXPECT_EQ(number_by_node(Numbers{0, 0, 1, 1}), (Numbers{0, 1, 2, 3}));
  EXPECT_EQ(number_by_node(Numbers{1, 0, 0, 0, 1}), (Numbers{0, 2, 3, 4, 1}));
  EXPECT_TRUE(number_by_node(Numbers{}).empty());
}

TEST(Node, MachinesAreCutIntoRehearsedNodes) {
  EXPECT_EQ(nodes_of(Numbers{0, 0, 0, 0, 0}, 2), (Numbers{0, 0, 1, 1, 2}));
  EXPECT_EQ(nodes_of(Numbers{0, 0, 0, 3, 3, 3}, 2), (Numbers{0, 0, 1, 2, 2, 3}));
  EXPECT_EQ(nodes_of(Numbers{4, 9, 4, 9}, 0), (Numbers{0, 1, 0, 1}));
  EXPECT_EQ(nodes_of(Numbers{0, 0}, 5), (Numbers{0, 0}));
  EXPECT_NE(
      message_of([] { nodes_of(Numbers{0}, -1); }, ErrorKind::usage).find("nodes of -1 ranks"),
      std::string::npos);
}

TEST(Node, RoomIsCountedByMachine) {
  constexpr std::int64_t kMega = 1 << 20;
  EXPECT_TRUE(
      fit(std::vector<ShareRequest>{{0, 20 * kMega, 64 * kMega}, {0, 20 * kMega, 64 * kMega}}));
  EXPECT_FALSE(
      fit(std::vector<ShareRequest>{{0, 32 * kMega, 64 * kMega}, {0, 32 * kMega, 64 * kMega}}));
  EXPECT_TRUE(
      fit(std::vector<ShareRequest>{{0, 32 * kMega, 64 * kMega}, {1, 32 * kMega, 64 * kMega}}));
  // The other machine has none: nobody shares.
  EXPECT_FALSE(fit(std::vector<ShareRequest>{{0, kMega, 64 * kMega}, {1, kMega, 0}}));
  EXPECT_FALSE(fit(std::vector<ShareRequest>{{0, 0, 0}}));
  EXPECT_TRUE(fit(std::vector<ShareRequest>{{0, kMega, std::numeric_limits<std::int64_t>::max()}}));
}

TEST(Node, WindowsTranslateAddresses) {
  std::vector<std::byte> theirs(100), here(100), other(50);
  Windows windows;
  windows.add(3, theirs.data(), here.data(), 100);
  windows.add(4, theirs.data(), other.data(), 50);
  EXPECT_EQ(windows.here(3, theirs.data() + 10, 90), here.data() + 10);
  EXPECT_EQ(windows.here(4, theirs.data() + 10, 40), other.data() + 10);
  EXPECT_EQ(windows.here(3, theirs.data() + 10, 91), nullptr);
  EXPECT_EQ(windows.here(4, theirs.data() + 10, 41), nullptr);
  EXPECT_EQ(windows.here(2, theirs.data(), 1), nullptr);
  EXPECT_EQ(windows.here(5, theirs.data(), 1), nullptr);
  EXPECT_EQ(windows.here(3, theirs.data() - 1, 1), nullptr);
  windows.remove(3, theirs.data());
  EXPECT_EQ(windows.here(3, theirs.data(), 1), nullptr);
  EXPECT_EQ(windows.here(4, theirs.data(), 1), other.data());
}

}  // namespace
}  // namespace ortho
