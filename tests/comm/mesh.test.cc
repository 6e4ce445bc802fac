// The mesh: rank and coordinate, groups, refusals.
#include "comm/mesh.h"

#include <gtest/gtest.h>

#include <set>

#include "comm/local.h"
#include "comm/node.h"
#include "core/error.h"
#include "tests/support/agreement.h"
#include "tests/support/errors.h"

namespace ortho {
namespace {

TEST(Mesh, LastAxisIsInnermost) {
  const Mesh mesh({{"batch", 2}, {"token", 3}});
  EXPECT_EQ(mesh.ranks(), 6);
  EXPECT_EQ(mesh.coordinate(1), (std::vector<int>{0, 1}));
  EXPECT_EQ(mesh.coordinate(3), (std::vector<int>{1, 0}));
  EXPECT_EQ(mesh.group("token", 4), (std::vector<int>{3, 4, 5}));
  EXPECT_EQ(mesh.group("batch", 4), (std::vector<int>{1, 4}));
  EXPECT_EQ(mesh_text(mesh), "batch 2 x token 3");
}

TEST(Mesh, RankAndCoordinateAreInverse) {
  for (const Mesh& mesh :
       {Mesh({}), Mesh({{"a", 5}}), Mesh({{"a", 1}, {"b", 4}, {"c", 3}, {"d", 2}})}) {
    std::set<std::vector<int>> seen;
    for (int rank = 0; rank < mesh.ranks(); ++rank) {
      EXPECT_EQ(mesh.rank(mesh.coordinate(rank)), rank) << mesh_text(mesh);
      seen.insert(mesh.coordinate(rank));
    }
    EXPECT_EQ(seen.size(), static_cast<size_t>(mesh.ranks()));
  }
}

// On nodes of 4 the exchanges along the innermost axis stay inside, those along the outermost cross.
TEST(Mesh, TheInnermostAxisSharesANode) {
  const Mesh mesh({{"batch", 2}, {"s_1", 3}, {"channels", 4}});
  const std::vector<int> nodes = nodes_of(std::vector<int>(24, 0), 4);
  for (int rank = 0; rank < mesh.ranks(); ++rank) {
    const auto node = [&](int other) { return nodes[static_cast<size_t>(other)]; };
    for (const int other : mesh.group("channels", rank)) EXPECT_EQ(node(other), node(rank));
    for (const int other : mesh.group("batch", rank))
      EXPECT_EQ(node(other) == node(rank), other == rank);
  }
}

TEST(Mesh, AnAbsentAxisHasOneRank) {
  const Mesh mesh({{"batch", 4}});
  EXPECT_EQ(mesh.ranks_along("batch"), 4);
  EXPECT_EQ(mesh.ranks_along("channel"), 1);
  EXPECT_EQ(mesh.coordinate_along("batch", 3), 3);
  EXPECT_EQ(mesh.coordinate_along("channel", 3), 0);
  EXPECT_EQ(mesh.group("channel", 3), std::vector<int>{3});
}

TEST(Mesh, GroupsTileTheRanks) {
  const Mesh mesh({{"a", 2}, {"b", 3}, {"c", 4}});
  for (const MeshAxis& axis : mesh.axes()) {
    std::set<std::vector<int>> groups;
    for (int rank = 0; rank < mesh.ranks(); ++rank) groups.insert(mesh.group(axis.name, rank));
    std::multiset<int> members;
    for (const std::vector<int>& group : groups) members.insert(group.begin(), group.end());
    EXPECT_EQ(members.size(), static_cast<size_t>(mesh.ranks())) << axis.name;
    EXPECT_EQ(std::set<int>(members.begin(), members.end()).size(), members.size()) << axis.name;
  }
}

TEST(Mesh, AxisChannelRanksAreCoordinates) {
  run_local_ranks(6, [](Channel& world) {
    const Mesh mesh({{"batch", 2}, {"token", 3}});
    const std::unique_ptr<Channel> batch = axis_channel(world, mesh, "batch");
    const std::unique_ptr<Channel> token = axis_channel(world, mesh, "token");
    EXPECT_EQ(batch->ranks(), 2);
    EXPECT_EQ(token->ranks(), 3);
    EXPECT_EQ(std::vector<int>({batch->rank(), token->rank()}), mesh.coordinate(world.rank()));
    EXPECT_EQ(axis_channel(world, mesh, "channel")->ranks(), 1);
  });
}

TEST(Mesh, RefusesWhatCannotBe) {
  const auto refusal = [](const std::vector<MeshAxis>& axes) {
    return message_of([&] { const Mesh mesh(axes); }, ErrorKind::usage);
  };
  EXPECT_NE(refusal({{"batch", 2}, {"batch", 2}}).find("'batch' is named twice"),
            std::string::npos);
  EXPECT_NE(refusal({{"batch", 0}}).find("'batch' has 0 ranks"), std::string::npos);
  EXPECT_NE(refusal({{"a", 1 << 20}, {"b", 1 << 20}}).find("mesh of more than"), std::string::npos);
  const std::unique_ptr<Channel> single = make_single_channel();
  const std::string message = message_of(
      [&] {
        axis_channel(*single, Mesh({{"batch", 2}}), "batch");
      },
      ErrorKind::usage);
  EXPECT_NE(message.find("the mesh batch 2 needs 2 ranks, the job has 1"), std::string::npos)
      << message;
}

}  // namespace
}  // namespace ortho
