#include "trainer/resume.h"

#include <algorithm>
#include <sstream>

#include "comm/agree.h"
#include "core/error.h"
#include "core/log.h"
#include "trainer/checkpoint.h"
#include "trainer/weight_files.h"

namespace ortho {
namespace {

// The stage a checkpoint belongs to, with the symbols that were known then.
Stage saved_stage(const RunConfig& config, std::int64_t stage, const Vocabulary& vocabulary,
                  const std::string& path) {
  REQUIRE(stage >= 0 && stage < static_cast<std::int64_t>(config.stages.size()), path,
          " is of stage ", stage + 1, ", the config has ", config.stages.size(),
          " stages. Start a new run folder, or put the stages back.");
  return plan_run(config, vocabulary.size()).stages[static_cast<size_t>(stage)];
}

// Same shapes are not enough: another activation or wiring reads the same weights as another model.
void check_model(const std::string& path, const std::string& saved, const std::string& now) {
  if (saved == now) return;
  std::istringstream was(saved), is(now);
  std::string differences, old_line, new_line;
  while (std::getline(was, old_line) && std::getline(is, new_line))
    if (old_line != new_line)
      differences += text(differences.empty() ? "" : "; ", old_line, " became ", new_line);
  fail(ErrorKind::usage,
       text(path, ": the config's model is not the one whose weights were saved: ", differences,
            ". A stage that has begun keeps its model: put it back, give the change a stage of "
            "its own, or start a new run folder."));
}

std::unique_ptr<RunState> load(const std::string& path, const RunConfig& config,
                               const StageSharding& sharding_of) {
  const CheckpointInfo info = read_checkpoint_info(path);
  const Stage stage = saved_stage(config, info.stage, load_vocabulary(path), path);
  const ModelSpec& spec = stage.config.model;
  check_model(path, info.model, model_text(spec));
  return std::make_unique<RunState>(
      load_checkpoint(path, spec, config.optimizer, sharding_of(stage)));
}

// Rank 0's list of the checkpoints, to all: they must try the same ones.
std::vector<std::string> candidates(Channel& channel, const std::string& folder) {
  std::string lines;
  agree(channel, [&] {
    if (channel.rank() != 0) return;
    for (const std::string& path : list_unfinished(folder))
      warn(text("checkpoint ", path, " has no MANIFEST: it was not finished and is left out"));
    for (const std::string& path : list_checkpoints(folder)) lines += path + '\n';
  });
  std::istringstream all(channel.gather(lines).front());
  std::vector<std::string> paths;
  for (std::string path; std::getline(all, path);) paths.push_back(path);
  return paths;
}

}  // namespace

std::unique_ptr<RunState> fresh_run(const RunConfig& config, const RunPlan& plan,
                                    const Vocabulary& vocabulary,
                                    const StageSharding& sharding_of) {
  const Stage& first = plan.stages.front();
  auto state = std::make_unique<RunState>(first.config.model, sharding_of(first));
  state->vocabulary = vocabulary;
  state->params.initialise(static_cast<std::uint64_t>(config.seed));
  state->optimizer = fresh_state(config.optimizer, state->params);
  if (!config.start.empty()) say(import_weights(config.start, *state));
  return state;
}

std::unique_ptr<RunState> resume_run(Channel& channel, const std::string& folder,
                                     const RunConfig& config, const Vocabulary& vocabulary,
                                     const StageSharding& sharding_of) {
  const std::vector<std::string> paths = candidates(channel, folder);
  for (const std::string& path : paths) try {
      std::unique_ptr<RunState> state;
      agree(channel, [&] { state = load(path, config, sharding_of); });
      state->vocabulary.extend(vocabulary.code_points());
      state->vocabulary.words.extend(vocabulary.words.words());
      say(text("goes on from ", path, " at step ", state->step));
      return state;
    } catch (const SharedError& error) {
      if (error.kind() != ErrorKind::data) throw;
      if (channel.rank() == 0)
        warn(text("checkpoint ", path, " cannot be used: ", error.what(),
                  ". Going back to the one before it."));
    }
  if (!paths.empty())
    fail(ErrorKind::data,
         text("none of the ", paths.size(), " checkpoints in ", folder,
              " can be used, see above. Put a good one there, or start a new run folder."));
  return nullptr;
}

void check_identity(const RunState& state, const std::string& identity) {
  const bool begun = std::any_of(state.cursors.begin(), state.cursors.end(),
                                 [](const Cursor& cursor) { return cursor.consumed > 0; });
  const bool inside = begun && !state.identity.empty();
  REQUIRE(!inside || state.identity == identity,
          "the data changed in the middle of an epoch. Saved with: ", state.identity,
          ". Now: ", identity, ". Put it back, or start a new run folder.");
}

}  // namespace ortho
