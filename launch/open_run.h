// Opens a trained model: a run folder's newest good checkpoint, or one checkpoint folder.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "comm/channel.h"
#include "trainer/run_state.h"
#include "trainer/stage.h"

namespace ortho {

// The model of a run with another number of passes: its weights are the same. 0: as trained.
ModelSpec with_refeeds(ModelSpec spec, std::int64_t refeeds);

struct OpenRun {
  std::string path;  // of the checkpoint
  RunConfig config;  // that the checkpoint was saved with
  Stage stage;       // the one its weights belong to
  std::unique_ptr<RunState> state;
};

// Windows that all ranks answer at once, of a model and so many ranks.
using AnswerWindows = std::function<std::int64_t(const ModelSpec& spec, int ranks)>;

// Each rank gets its part of the model: on the mesh of the stage if it is one of that many ranks
// and suits the windows, else on the cheapest that does. Collective. Error(usage) when `path` is
// neither, or no mesh works; Error(data) when no checkpoint in it is whole.
OpenRun open_run(Channel& world, const std::string& path, const AnswerWindows& windows);

}  // namespace ortho
