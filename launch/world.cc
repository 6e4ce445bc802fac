#include "launch/world.h"

#include "comm/mpi.h"

namespace ortho {

std::unique_ptr<Channel> make_run_channel(const RunConfig& config) {
  NodeSetting nodes;
  nodes.ranks_per_node = static_cast<int>(config.ranks.ranks_per_node);
  return make_world_channel(kPieceBytes, nodes);
}

}  // namespace ortho
