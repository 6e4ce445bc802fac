// Checkpoint: a RunState as named global arrays, readable on any mesh, whole or absent.
//
// OUT/checkpoints/step-00001234/ holds one box file per writer and a MANIFEST that
// is written last; a folder without one is unfinished and ignored. With the batch
// as the only mesh axis every rank holds all weights, so rank 0 writes. Arrays:
// weight/NAME, first/NAME, second/NAME, steps/NAME ([regions][lo…, hi…, steps]).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "comm/channel.h"
#include "trainer/config.h"
#include "trainer/run_state.h"

namespace ortho {

// Writes state as the newest checkpoint of `folder`, then removes all but it and the `keep` - 1
// before it: also later ones, which could not be loaded, else the run would have gone on from them,
// and unfinished ones. Collective: a failure of the writer is everyone's.
void save_checkpoint(Channel& channel, const std::string& folder, const RunState& state,
                     const RunConfig& config, std::int64_t keep);

// Checkpoint folders under `folder` that have a MANIFEST, newest first.
std::vector<std::string> list_checkpoints(const std::string& folder);
std::vector<std::string> list_unfinished(const std::string& folder);  // those without one

// What a checkpoint says about itself, without its arrays.
struct CheckpointInfo {
  std::string path, config, parent;  // config: YAML of the run that wrote it
  std::int64_t step = 0, stage = 0;
  std::vector<std::string> growths;
};
CheckpointInfo read_checkpoint_info(const std::string& path);

// Fills `state` from one checkpoint folder; every chunk's checksum is verified.
// `spec` must be the model of the stage that CheckpointInfo names. Error(data) naming file
// and array when the file is damaged, Error(usage) when it is whole and of another model.
RunState load_checkpoint(const std::string& path, const ModelSpec& spec,
                         const OptimizerConfig& optimizer);

// The vocabulary alone, needed before a ModelSpec can be made.
Vocabulary load_vocabulary(const std::string& path);

}  // namespace ortho
