// Checkpoint: a RunState as named global arrays, readable on any mesh, whole or absent.
//
// OUT/checkpoints/step-0000001234/ holds a box file of each rank, with what that rank owns, and a
// MANIFEST that is written last; a folder without one is unfinished and ignored. Arrays:
// weight/NAME, first/NAME, second/NAME, steps/NAME ([regions][lo…, hi…, steps]). Loading reads only
// the Boxes that a rank holds, through the plan of a growth if there is one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "comm/channel.h"
#include "trainer/checkpoint_folder.h"
#include "trainer/config.h"
#include "trainer/run_state.h"

namespace ortho {

// Writes state as the newest checkpoint of `folder` and sets state.saved, then removes all but it
// and the `keep` - 1 before it: CheckpointWriter::save() with that rule. Collective.
void save_checkpoint(Channel& channel, const std::string& folder, RunState& state,
                     const RunConfig& config, std::int64_t keep);

// What a checkpoint says about itself, without its arrays.
struct CheckpointInfo {
  std::string path, config, parent;  // config: YAML of the run that wrote it
  std::string model;                 // model_text() of its weights
  std::int64_t step = 0, stage = 0;
  std::vector<std::string> growths;
};
CheckpointInfo read_checkpoint_info(const std::string& path);

// The checkpoint's box files, by rank. Error(data) when one is missing or of another size.
std::vector<std::string> checkpoint_files(const std::string& path);

// What this rank holds of one checkpoint folder; every chunk read is verified, so all ranks
// together verify everything. `spec` must be the model of the stage that CheckpointInfo names.
// Error(data) naming file and array when a file is damaged, Error(usage) when it is whole and of
// another model. Without messages between ranks.
RunState load_checkpoint(const std::string& path, const ModelSpec& spec,
                         const OptimizerConfig& optimizer, const Sharding& sharding);
RunState load_checkpoint(const std::string& path, const ModelSpec& spec,
                         const OptimizerConfig& optimizer);  // on one rank

// Fills weights and optimizer of `state`, however they are laid out, with those of the checkpoint
// grown along the plan: on one rank and cut afterwards they would be the same to the bit. What is
// new is drawn from `seed`.
void load_weights(const std::string& path, const GrowPlan& plan, std::uint64_t seed,
                  RunState& state);

// What a narrower model keeps of the checkpoint's weights, model `from`. The same on all ranks.
Kept kept_of(const std::string& path, const ModelSpec& from, const ModelSpec& to);

// The same as load_weights, into a state of model plan.to on `sharding`; the rest of the state stays. The old
// weights are freed before, so that never both are in memory.
void load_grown(const std::string& path, const GrowPlan& plan, const OptimizerConfig& optimizer,
                const Sharding& sharding, std::uint64_t seed, RunState& state);

// The vocabulary alone, needed before a ModelSpec can be made.
Vocabulary load_vocabulary(const std::string& path);

}  // namespace ortho
