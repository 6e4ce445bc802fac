// Opens a trained model: a run folder's newest good checkpoint, or one checkpoint folder.
#pragma once

#include <memory>
#include <string>

#include "comm/channel.h"
#include "model/sharding.h"
#include "trainer/run_state.h"
#include "trainer/stage.h"

namespace ortho {

struct OpenRun {
  std::string path;  // of the checkpoint
  RunConfig config;  // that the checkpoint was saved with
  Stage stage;       // the one its weights belong to
  std::unique_ptr<RunState> state;
};

// Error(usage) when `path` is neither, Error(data) when no checkpoint in it is whole.
OpenRun open_run(const std::string& path);

// How the ranks of the job hold the model to answer from it: each other windows of `windows`.
Sharding answering_sharding(const OpenRun& run, std::int64_t windows, const Channel& world);

}  // namespace ortho
