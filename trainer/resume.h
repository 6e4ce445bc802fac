// Resume: where a run begins: fresh, or from its newest checkpoint that is whole.
#pragma once

#include <memory>
#include <string>

#include "comm/channel.h"
#include "trainer/run_state.h"
#include "trainer/stage.h"

namespace ortho {

std::unique_ptr<RunState> fresh_run(const RunConfig& config, const RunPlan& plan,
                                    const Vocabulary& vocabulary);

// The newest good checkpoint in `folder`; null when there is none. A damaged one is named and the one before it is
// used. Symbols of `vocabulary` that the checkpoint does not know are appended; its weights are then those of fewer
// symbols than the plan's, and the caller grows them. Collective: all ranks load the same checkpoint.
std::unique_ptr<RunState> resume_run(Channel& channel, const std::string& folder,
                                     const RunConfig& config, const Vocabulary& vocabulary);

// In the middle of a stage the data must be those the checkpoint was saved with: Error(usage) naming both.
void check_identity(Channel& channel, RunState& state, const std::string& identity);

}  // namespace ortho
