#include "trainer/resume.h"

#include "comm/agree.h"
#include "core/error.h"
#include "core/log.h"
#include "trainer/checkpoint.h"

namespace ortho {
namespace {

// The model a checkpoint holds: its stage's, with the symbols that were known then.
ModelSpec saved_spec(const RunConfig& config, std::int64_t stage, const Vocabulary& vocabulary,
                     const std::string& path) {
  REQUIRE(stage >= 0 && stage < static_cast<std::int64_t>(config.stages.size()), path,
          " is of stage ", stage + 1, ", the config has ", config.stages.size(),
          " stages. Start a new run folder, or put the stages back.");
  return plan_run(config, vocabulary.size()).stages[static_cast<size_t>(stage)].config.model;
}

std::unique_ptr<RunState> load(const std::string& path, const RunConfig& config) {
  const CheckpointInfo info = read_checkpoint_info(path);
  const Vocabulary saved = load_vocabulary(path);
  const ModelSpec spec = saved_spec(config, info.stage, saved, path);
  return std::make_unique<RunState>(load_checkpoint(path, spec, config.optimizer));
}

// Rank 0 looks for the newest checkpoint that loads; all ranks then load that one.
std::string newest_good(const std::string& folder, const RunConfig& config) {
  for (const std::string& path : list_unfinished(folder))
    warn(text("checkpoint ", path, " has no MANIFEST: it was not finished and is left out"));
  const std::vector<std::string> paths = list_checkpoints(folder);
  for (const std::string& path : paths) try {
      load(path, config);
      return path;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::data) throw;
      warn(text("checkpoint ", path, " cannot be used: ", error.what(),
                " Going back to the one before it."));
    }
  if (!paths.empty())
    fail(ErrorKind::data,
         text("none of the ", paths.size(), " checkpoints in ", folder,
              " can be used, see above. Put a good one there, or start a new run folder."));
  return "";
}

}  // namespace

std::unique_ptr<RunState> fresh_run(const RunConfig& config, const RunPlan& plan,
                                    const Vocabulary& vocabulary) {
  const ModelSpec& spec = plan.stages.front().config.model;
  auto state = std::make_unique<RunState>(spec);
  state->vocabulary = vocabulary;
  state->params.initialise(static_cast<std::uint64_t>(config.seed));
  state->optimizer = fresh_state(config.optimizer, state->params);
  return state;
}

std::unique_ptr<RunState> resume_run(Channel& channel, const std::string& folder,
                                     const RunConfig& config, const Vocabulary& vocabulary) {
  std::string path;
  agree(channel, [&] {
    if (channel.rank() == 0) path = newest_good(folder, config);
  });
  path = channel.gather(path).front();
  if (path.empty()) return nullptr;
  std::unique_ptr<RunState> state;
  agree(channel, [&] { state = load(path, config); });
  state->vocabulary.extend(vocabulary.code_points());
  say(text("goes on from ", path, " at step ", state->step));
  return state;
}

void check_identity(const RunState& state, const std::string& identity) {
  const bool inside = state.cursor.consumed > 0 && !state.identity.empty();
  REQUIRE(!inside || state.identity == identity,
          "the data changed in the middle of an epoch. Saved with: ", state.identity,
          ". Now: ", identity, ". Put it back, or start a new run folder.");
}

}  // namespace ortho
