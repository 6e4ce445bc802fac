// Density: which connections of the sparse weights are open, and how they change.
//
// A connection is closed exactly when its weight is 0; nothing else says so, which is why copies,
// checkpoints, meshes and growth need to know nothing of it. A weight of n elements has
// max(1, round(density * n)) open ones; growth closes none, so copies of a smaller weight may leave
// a few more until connections are exchanged. One that opens starts at +-1e-30 with zero moments.
// All choices are functions of the whole weight, the seed and the step: the same on any mesh.
#pragma once

#include <cstdint>
#include <vector>

#include "comm/channel.h"
#include "trainer/run_state.h"

namespace ortho {

std::int64_t open_target(const ParamSpec& spec);

// Of each sparse weight, in the order of Params::all(), over all ranks. Collective.
std::vector<std::int64_t> count_open(Channel& channel, const Params<float>& params);

enum class Fit {
  open,  // opens what is missing
  both,  // and closes what is too much, by the model's mask
};

// Gives each sparse weight its number of open connections. Collective.
void fit_density(Channel& channel, RunState& state, std::uint64_t seed, Fit fit);

// Each sparse weight closes `share` of its open connections by the model's mask, and opens closed
// ones by chance until it has its number: sparse evolutionary training (Mocanu et al., "Scalable
// training of artificial neural networks with adaptive sparse connectivity", 2018). None that closes
// opens again at once. Collective.
void exchange_connections(Channel& channel, RunState& state, std::uint64_t seed, double share);

// Of this rank's own gradients, those of closed connections become 0: they are no part of the norm.
void drop_closed_gradients(Params<float>& params);

}  // namespace ortho
