#include "launch/describe_run.h"

#include <algorithm>

#include "core/error.h"
#include "core/file.h"
#include "dataio/box_file.h"
#include "launch/describe_data.h"
#include "launch/run_file.h"
#include "launch/yaml.h"
#include "trainer/checkpoint.h"
#include "trainer/checkpoint_manifest.h"
#include "trainer/stage.h"

namespace ortho {
namespace {

std::vector<std::int64_t> read_integers(const BoxFileReader& file, const std::string& name) {
  const Shape shape = file.shape(name);
  std::vector<std::int64_t> values(static_cast<size_t>(elements(shape)));
  file.read(name, whole(shape), values.data());
  return values;
}

// ", 40 steps" where all of the array had the same number, else the steps of each region.
std::string regions_text(const BoxFileReader& file, const std::string& name, const Shape& shape) {
  if (!file.has(name)) return "";
  const auto rows = read_integers(file, name);
  const size_t axes = shape.size(), width = 2 * axes + 1;
  if (rows.empty() || rows.size() % width != 0)
    fail(ErrorKind::data, text("array ", name, " has ", rows.size(), " values; rows of ", width,
                               " (lo, hi, steps) belong"));
  if (rows.size() == width) return text(", ", rows.back(), " steps");
  std::string out;
  for (auto row = rows.begin(); row != rows.end(); row += static_cast<std::ptrdiff_t>(width)) {
    const auto middle = row + static_cast<std::ptrdiff_t>(axes);
    const auto end = middle + static_cast<std::ptrdiff_t>(axes);
    out +=
        text("\n      ", box_text({Index(row, middle), Index(middle, end)}), ": ", *end, " steps");
  }
  return out;
}

// The run as it went: stages that ended have the steps they really ran.
RunPlan plan_of(const RunConfig& config, const BoxFileReader& file) {
  const std::int64_t symbols = elements(file.shape("run/vocabulary"));
  return plan_run(config, symbols, read_integers(file, "run/ended"));
}

std::string stage_line(const RunPlan& plan, size_t index, const CheckpointInfo& info) {
  const Stage& stage = plan.stages[index];
  const auto at = static_cast<size_t>(info.stage);
  const bool ended = index < at || (index == at && info.step == stage.first_step + stage.steps);
  return text("  stage ", index + 1, " of ", plan.stages.size(), ", ", stage.config.name,
              ": steps ", stage.first_step, " to ", stage.first_step + stage.steps, ", context ",
              context(stage.config.model), stage.grown ? ", grows first" : "",
              ended         ? ", done"
              : index == at ? ", under way"
                            : "",
              '\n');
}

// "  step-0000000012: stage 2, mesh batch 2, 64.1 KB, held-out loss 2.31, after step-0000000008"
std::string lineage_line(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  try {
    const CheckpointManifest manifest = read_checkpoint_manifest(path);
    std::int64_t bytes = 0;
    for (const CheckpointFile& file : manifest.files) bytes += file.bytes;
    const std::string parent = read_checkpoint_info(path).parent;
    const bool gone = !parent.empty() && !file_exists(path + "/../" + parent);
    return text("  ", name, ": stage ", manifest.stage + 1, ", mesh ", manifest.mesh, ", ",
                bytes_text(static_cast<std::uint64_t>(bytes)),
                manifest.held_out ? text(", held-out loss ", *manifest.held_out) : "",
                parent.empty() ? ", the first" : ", after " + parent,
                gone ? ", which is removed\n" : "\n");
  } catch (const Error& error) {
    return text("  ", name, ": cannot be used: ", error.what(), '\n');
  }
}

}  // namespace

std::string describe_arrays(const std::vector<std::string>& box_files) {
  const BoxFileReader file(box_files);
  const auto names = file.names();
  std::int64_t weights = 0;
  std::string lines;
  for (const std::string& name : names) {
    const bool weight = name.starts_with("weight/");
    const Shape& shape = file.shape(name);
    if (weight) weights += elements(shape);
    if (name.starts_with("first/") || name.starts_with("second/") || name.starts_with("steps/"))
      continue;
    const std::string regions = weight ? regions_text(file, "steps/" + name.substr(7), shape) : "";
    lines += text("    ", name, ' ', box_type_name(file.type(name)), ' ', shape_text(shape),
                  regions, '\n');
  }
  return text("  ", names.size(), " arrays, ", weights, " weights\n", lines);
}

std::string describe_checkpoint(const std::string& checkpoint) {
  const CheckpointInfo info = read_checkpoint_info(checkpoint);
  const RunConfig config = parse_config(parse_yaml(info.config, checkpoint + " config"));
  const RunPlan plan = plan_of(config, BoxFileReader(checkpoint_files(checkpoint)));
  std::string out = text("checkpoint ", checkpoint, ": step ", info.step, " of ", plan.steps,
                         ", parent ", info.parent.empty() ? "none" : info.parent, '\n');
  for (size_t i = 0; i < plan.stages.size(); ++i) out += stage_line(plan, i, info);
  for (const std::string& growth : info.growths) out += text("  growth: ", growth, '\n');
  return out + describe_arrays(checkpoint_files(checkpoint));
}

std::string describe_run(const std::string& folder) {
  const std::string run_file = folder + "/run.yaml";
  const auto checkpoints = list_checkpoints(folder + "/checkpoints");
  std::string out = text("run ", folder, ": ", counted(checkpoints.size(), "checkpoint"), '\n');
  if (file_exists(folder + "/metrics.jsonl")) {
    const std::string lines = read_file(folder + "/metrics.jsonl");
    out += text("  metrics.jsonl: ", std::count(lines.begin(), lines.end(), '\n'), " lines\n");
  }
  for (const std::string& path : checkpoints) out += lineage_line(path);
  if (!checkpoints.empty()) return out + describe_checkpoint(checkpoints.front());
  const RunConfig config = read_run_file(run_file, {});
  for (const StageConfig& stage : config.stages)
    out += text("  stage ", stage.name, ": context ", context(stage.model), ", not begun\n");
  return out;
}

}  // namespace ortho
