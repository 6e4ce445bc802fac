#include "launch/open_run.h"

#include "comm/agree.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "launch/yaml.h"
#include "trainer/checkpoint.h"
#include "trainer/mesh_choice.h"

namespace ortho {
namespace {

// How the ranks hold the model of a stage while it answers.
Sharding answering_sharding(Stage stage, const RunConfig& config, std::int64_t windows,
                            const Channel& world) {
  stage.windows = windows;
  const auto sharding = [&] {
    const Cuts cuts = choose_mesh(stage, config, world.ranks()).best().cuts;
    return Sharding(stage.config.model, windows, cuts, world.rank());
  };
  try {
    return sharding();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::usage) throw;
    stage.config.mesh = {};  // mesh and order of sums were meant for training
    stage.fixed_order = false;
    return sharding();
  }
}

OpenRun open_checkpoint(const Channel& world, const std::string& path,
                        const AnswerWindows& windows) {
  const CheckpointInfo info = read_checkpoint_info(path);
  OpenRun run;
  run.path = path;
  run.config = parse_config(parse_yaml(info.config, path + " (its config)"));
  const RunPlan plan = plan_run(run.config, load_vocabulary(path).size());
  run.stage = plan.stages.at(static_cast<size_t>(info.stage));
  const ModelSpec& spec = run.stage.config.model;
  run.state = std::make_unique<RunState>(load_checkpoint(
      path, spec, run.config.optimizer,
      answering_sharding(run.stage, run.config, windows(spec, world.ranks()), world)));
  return run;
}

// The checkpoints that `path` stands for, newest first.
std::vector<std::string> checkpoints_at(const std::string& path) {
  REQUIRE(file_exists(path), path, " does not exist; give a run folder or a checkpoint folder");
  if (file_exists(path + "/MANIFEST")) return {path};
  auto checkpoints = list_checkpoints(path + "/checkpoints");
  REQUIRE(!checkpoints.empty(), path,
          " holds no finished checkpoint; give a run folder or a checkpoint folder");
  return checkpoints;
}

}  // namespace

ModelSpec with_refeeds(ModelSpec spec, std::int64_t refeeds) {
  if (refeeds > 0) spec.refeeds = refeeds;
  return spec;
}

OpenRun open_run(Channel& world, const std::string& path, const AnswerWindows& windows) {
  std::vector<std::string> checkpoints;
  agree(world, [&] { checkpoints = checkpoints_at(path); });
  require_same(world, "the checkpoints of " + path, list_text(checkpoints));
  for (const std::string& checkpoint : checkpoints) try {
      OpenRun run;
      agree(world, [&] { run = open_checkpoint(world, checkpoint, windows); });
      return run;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::data || checkpoint == checkpoints.back()) throw;
      if (world.rank() == 0)
        warn(text("checkpoint ", checkpoint, " cannot be used: ", error.what(),
                  ". Going back to the one before it."));
    }
  fail(ErrorKind::internal, "unreachable");
}

}  // namespace ortho
