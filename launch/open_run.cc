#include "launch/open_run.h"

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "launch/yaml.h"
#include "trainer/checkpoint.h"

namespace ortho {
namespace {

OpenRun open_checkpoint(const std::string& path) {
  const CheckpointInfo info = read_checkpoint_info(path);
  OpenRun run;
  run.path = path;
  run.config = parse_config(parse_yaml(info.config, path + " (its config)"));
  const RunPlan plan = plan_run(run.config, load_vocabulary(path).size());
  run.stage = plan.stages.at(static_cast<size_t>(info.stage));
  run.state = std::make_unique<RunState>(
      load_checkpoint(path, run.stage.config.model, run.config.optimizer));
  return run;
}

}  // namespace

OpenRun open_run(const std::string& path) {
  REQUIRE(file_exists(path), path, " does not exist; give a run folder or a checkpoint folder");
  if (file_exists(path + "/MANIFEST")) return open_checkpoint(path);
  const auto checkpoints = list_checkpoints(path + "/checkpoints");
  REQUIRE(!checkpoints.empty(), path,
          " holds no finished checkpoint; give a run folder or a checkpoint folder");
  for (const std::string& checkpoint : checkpoints) try {
      return open_checkpoint(checkpoint);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::data || checkpoint == checkpoints.back()) throw;
      warn(text("checkpoint ", checkpoint, " cannot be used: ", error.what(),
                ". Going back to the one before it."));
    }
  fail(ErrorKind::internal, "unreachable");
}

Sharding answering_sharding(const OpenRun& run, std::int64_t windows, const Channel& world) {
  Cuts cuts;
  cuts.batch = world.ranks();
  return {run.state->spec, windows, cuts, world.rank()};
}

}  // namespace ortho
