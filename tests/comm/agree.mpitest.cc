// Agreement and mesh channels over MPI.
#include "comm/agree.h"

#include <gtest/gtest.h>

#include "comm/mesh.h"
#include "comm/mpi.h"
#include "tests/support/agreement.h"

namespace ortho {
namespace {

TEST(MpiAgree, OneFailingRankIsEveryones) { test::check_one_failing_rank(*make_world_channel()); }
TEST(MpiAgree, TheLowestFailingRankSpeaks) { test::check_all_failing(*make_world_channel()); }
TEST(MpiAgree, ADifferingRankIsNamed) { test::check_require_same(*make_world_channel()); }

TEST(MpiMesh, AxisChannelsJoinTheGroups) {
  const std::unique_ptr<Channel> world = make_world_channel();
  const int rows = world->ranks() % 2 == 0 ? 2 : 1;
  const Mesh mesh({{"batch", rows}, {"token", world->ranks() / rows}});
  for (const MeshAxis& axis : mesh.axes()) {
    const std::unique_ptr<Channel> group = axis_channel(*world, mesh, axis.name);
    EXPECT_EQ(group->ranks(), axis.ranks);
    EXPECT_EQ(group->rank(), mesh.coordinate_along(axis.name, world->rank()));
    std::int64_t members = std::int64_t{1} << world->rank();
    group->sum(std::span(&members, 1));
    std::int64_t expected = 0;
    for (const int member : mesh.group(axis.name, world->rank()))
      expected |= std::int64_t{1} << member;
    EXPECT_EQ(members, expected) << axis.name;
  }
}

}  // namespace
}  // namespace ortho
