// grow_run: the growth between two stages, as part of the run:
// weights, moments, step counts, and the promise.
#pragma once

#include <cstdint>

#include "tensor/backend.h"
#include "trainer/run_state.h"

namespace ortho {

// Replaces state.spec, weights and optimizer state by those of `to`,
// and adds a line to state.growths. Every rank does the same. Error(internal)
// when the promise is broken; nothing of that growth is saved then.
void grow_run(RunState& state, const ModelSpec& to, Backend<float>& backend, std::uint64_t seed);

}  // namespace ortho
