// Resume: where a run begins: fresh, or from its newest checkpoint that is whole.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "comm/channel.h"
#include "trainer/run_state.h"
#include "trainer/stage.h"

namespace ortho {

// How this rank takes part in a stage; the same mesh on all ranks.
using StageSharding = std::function<Sharding(const Stage&)>;

std::unique_ptr<RunState> fresh_run(const RunConfig& config, const RunPlan& plan,
                                    const Vocabulary& vocabulary, const StageSharding& sharding_of);

// The newest good checkpoint in `folder`, of whatever number of ranks; null when it has none at
// all. One that is damaged for any rank, or unfinished, is named and the one before it is used;
// Error(data) when all are damaged, so that no run begins anew over them. Symbols of `vocabulary`
// that the checkpoint does not know are appended; its weights are then those of fewer symbols than
// the plan's, and the caller grows them. Collective: all ranks load the same checkpoint.
std::unique_ptr<RunState> resume_run(Channel& channel, const std::string& folder,
                                     const RunConfig& config, const Vocabulary& vocabulary,
                                     const StageSharding& sharding_of);

// In the middle of an epoch the data must be those
// the checkpoint was saved with: Error(usage) naming both.
void check_identity(const RunState& state, const std::string& identity);

}  // namespace ortho
