// Mesh: the ranks as a grid with named axes, and the way between a rank and its coordinate.
//
//   rank = (c_0 * n_1 + c_1) * n_2 + c_2 …      (n_a: ranks along axis a)
//
// The last axis is innermost: its ranks are consecutive and so share a node first. An axis that the
// mesh does not have counts as one of 1 rank. All but axis_channel is arithmetic, without messages.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "comm/channel.h"

namespace ortho {

struct MeshAxis {
  std::string name;
  int ranks = 1;  // >= 1
};

class Mesh {
 public:
  explicit Mesh(std::vector<MeshAxis> axes);  // Error(usage) on a doubled name or a size below 1

  const std::vector<MeshAxis>& axes() const { return axes_; }
  int ranks() const { return ranks_; }
  int ranks_along(const std::string& axis) const;
  std::vector<int> coordinate(int rank) const;  // one entry per axis
  int coordinate_along(const std::string& axis, int rank) const;
  int rank(const std::vector<int>& coordinate) const;
  // The ranks that differ from `rank` along `axis` alone, itself among them, ascending.
  std::vector<int> group(const std::string& axis, int rank) const;

 private:
  std::vector<MeshAxis> axes_;
  int ranks_ = 1;
};

// "batch 4 x channel 2"
std::string mesh_text(const Mesh& mesh);

// The channel of this rank's group along `axis`; its rank there is its coordinate. Collective over
// world, which must have as many ranks as the mesh.
std::unique_ptr<Channel> axis_channel(Channel& world, const Mesh& mesh, const std::string& axis);

}  // namespace ortho
