// World: the channel of all ranks of the job, as a run's config sees its nodes.
#pragma once

#include <memory>

#include "comm/channel.h"
#include "trainer/config.h"

namespace ortho {

// With mesh.ranks_per_node of the config. Needs a living MpiSession (comm/mpi.h). Collective.
std::unique_ptr<Channel> make_run_channel(const RunConfig& config);

}  // namespace ortho
