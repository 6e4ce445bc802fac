// grow_run: from one stage's model and mesh to the next one's, as part of the run: weights, moments,
// step counts, and the promise.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "comm/channel.h"
#include "tensor/backend.h"
#include "trainer/run_state.h"

namespace ortho {

// The loss of the run's model as it is now on held-out windows, for people; "" if there are none.
// Collective.
using HeldOutLoss = std::function<std::string()>;

// Collective. Loads the weights and moments of `to`, as this rank holds them, from the checkpoint
// state.saved, which must hold those of `state`: the old ones are freed before. A growth adds a line
// to state.growths; Error(internal) when its promise is broken: the run ends then, and nothing of
// that growth is saved. Without a promise the line has `loss` before and after instead. Nothing is
// loaded when model and mesh stay.
void grow_run(Channel& channel, RunState& state, const ModelSpec& to, const Sharding& sharding,
              const OptimizerConfig& optimizer, Backend<float>& backend, std::uint64_t seed,
              const HeldOutLoss& loss = {});

}  // namespace ortho
