#include "comm/mesh.h"

#include <cstdint>
#include <limits>
#include <set>
#include <utility>

#include "core/error.h"

namespace ortho {

Mesh::Mesh(std::vector<MeshAxis> axes) : axes_(std::move(axes)) {
  std::set<std::string> names;
  std::int64_t ranks = 1;
  for (const MeshAxis& axis : axes_) {
    REQUIRE(names.insert(axis.name).second, "mesh axis '", axis.name, "' is named twice");
    REQUIRE(axis.ranks >= 1, "mesh axis '", axis.name, "' has ", axis.ranks,
            " ranks, needs at least 1");
    ranks *= axis.ranks;
    REQUIRE(ranks <= std::numeric_limits<int>::max(), "mesh of more than ",
            std::numeric_limits<int>::max(), " ranks");
  }
  ranks_ = static_cast<int>(ranks);
}

int Mesh::ranks_along(const std::string& axis) const {
  for (const MeshAxis& own : axes_) {
    if (own.name == axis) return own.ranks;
  }
  return 1;
}

std::vector<int> Mesh::coordinate(int rank) const {
  ASSERT(rank >= 0 && rank < ranks_, "rank ", rank, " in a mesh of ", ranks_);
  std::vector<int> coordinate(axes_.size());
  for (size_t axis = axes_.size(); axis-- > 0;) {
    coordinate[axis] = rank % axes_[axis].ranks;
    rank /= axes_[axis].ranks;
  }
  return coordinate;
}

int Mesh::coordinate_along(const std::string& axis, int rank) const {
  const std::vector<int> all = coordinate(rank);
  for (size_t own = 0; own < axes_.size(); ++own) {
    if (axes_[own].name == axis) return all[own];
  }
  return 0;
}

int Mesh::rank(const std::vector<int>& coordinate) const {
  ASSERT(coordinate.size() == axes_.size(), coordinate.size(), " entries for ", axes_.size(),
         " axes");
  int rank = 0;
  for (size_t axis = 0; axis < axes_.size(); ++axis) {
    const int here = coordinate[axis];
    ASSERT(here >= 0 && here < axes_[axis].ranks, "coordinate ", here, " on axis ",
           axes_[axis].name);
    rank = rank * axes_[axis].ranks + here;
  }
  return rank;
}

std::vector<int> Mesh::group(const std::string& axis, int rank) const {
  std::vector<int> at = coordinate(rank);
  for (size_t own = 0; own < axes_.size(); ++own) {
    if (axes_[own].name != axis) continue;
    std::vector<int> members;
    for (at[own] = 0; at[own] < axes_[own].ranks; ++at[own]) members.push_back(this->rank(at));
    return members;
  }
  return {rank};
}

std::string mesh_text(const Mesh& mesh) {
  std::string line;
  for (const MeshAxis& axis : mesh.axes()) {
    line += text(line.empty() ? "" : " x ", axis.name, ' ', axis.ranks);
  }
  return line.empty() ? "1 rank" : line;
}

std::unique_ptr<Channel> axis_channel(Channel& world, const Mesh& mesh, const std::string& axis) {
  REQUIRE(world.ranks() == mesh.ranks(), "the mesh ", mesh_text(mesh), " needs ", mesh.ranks(),
          " ranks, the job has ", world.ranks(), ". Start it with: mpirun -np ", mesh.ranks());
  return world.split(mesh.group(axis, world.rank()).front());
}

}  // namespace ortho
