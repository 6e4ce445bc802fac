#include "trainer/checkpoint.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <span>

#include "comm/agree.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "dataio/box_file.h"

namespace ortho {
namespace {

constexpr const char* kPrefix = "step-";

std::string checkpoint_name(std::int64_t step) {
  char name[32];
  std::snprintf(name, sizeof name, "%s%010lld", kPrefix, static_cast<long long>(step));
  return name;
}

std::string box_path(const std::string& checkpoint) { return checkpoint + "/rank-0.h5"; }
std::string manifest_path(const std::string& checkpoint) { return checkpoint + "/MANIFEST"; }

BoxFileReader open_boxes(const std::string& checkpoint) {
  if (!file_exists(box_path(checkpoint)))
    fail(ErrorKind::data, text(checkpoint, " has a MANIFEST, but no rank-0.h5"));
  return BoxFileReader(box_path(checkpoint));
}

// Names of the checkpoint folders, finished or not, newest first: names sort by step.
std::vector<std::string> checkpoint_names(const std::string& folder) {
  std::vector<std::string> names;
  if (!file_exists(folder)) return names;
  for (const std::string& name : list_folder(folder))
    if (name.starts_with(kPrefix)) names.insert(names.begin(), name);
  return names;
}

std::vector<std::string> list(const std::string& folder, bool finished) {
  std::vector<std::string> paths;
  for (const std::string& name : checkpoint_names(folder)) {
    const std::string path = folder + "/" + name;
    if (file_exists(manifest_path(path)) == finished) paths.push_back(path);
  }
  return paths;
}

void write_list(BoxFileWriter& file, const std::string& name,
                std::span<const std::int64_t> values) {
  const Shape shape = {static_cast<std::int64_t>(values.size())};
  file.write(name, shape, whole(shape), values.data());
}

std::vector<std::int64_t> read_list(const BoxFileReader& file, const std::string& name) {
  const Shape shape = file.shape(name);
  std::vector<std::int64_t> values(static_cast<size_t>(elements(shape)));
  file.read(name, whole(shape), values.data());
  return values;
}

// Regions as rows of numbers: lo of every axis, hi of every axis, steps.
std::vector<std::int64_t> region_rows(const Regions& regions) {
  std::vector<std::int64_t> rows;
  for (const Region& region : regions) {
    rows.insert(rows.end(), region.box.lo.begin(), region.box.lo.end());
    rows.insert(rows.end(), region.box.hi.begin(), region.box.hi.end());
    rows.push_back(region.steps);
  }
  return rows;
}

Regions regions_from(const std::string& name, const Shape& shape,
                     std::span<const std::int64_t> rows) {
  const size_t axes = shape.size(), width = 2 * axes + 1;
  Regions regions;
  for (size_t at = 0; at + width <= rows.size(); at += width) {
    const auto row = rows.subspan(at, width);
    regions.push_back({{Index(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(axes)),
                        Index(row.begin() + static_cast<std::ptrdiff_t>(axes), row.end() - 1)},
                       row.back()});
  }
  check_regions(name, shape, regions);
  return regions;
}

void write_arrays(BoxFileWriter& file, const RunState& state) {
  const OptimizerState<float>& optimizer = state.optimizer;
  for (size_t i = 0; i < state.params.all().size(); ++i) {
    const Param<float>& param = state.params.all()[i];
    const Shape shape = param.spec.shape();
    const std::string& name = param.spec.name;
    file.write("weight/" + name, shape, whole(shape), param.value);
    file.write("first/" + name, shape, whole(shape), optimizer.first.data() + param.offset);
    if (optimizer.second.size() > 0)
      file.write("second/" + name, shape, whole(shape), optimizer.second.data() + param.offset);
    write_list(file, "steps/" + name, region_rows(optimizer.regions[i]));
  }
  std::vector<std::int64_t> symbols(state.vocabulary.code_points().begin(),
                                    state.vocabulary.code_points().end());
  write_list(file, "run/vocabulary", symbols);
  write_list(file, "run/ended", state.ended);
  const Shape losses = {static_cast<std::int64_t>(state.losses.size())};
  file.write("run/losses", losses, whole(losses), state.losses.data());
}

void write_attributes(BoxFileWriter& file, const RunState& state, const std::string& config,
                      const std::string& parent) {
  file.set_text("format", "orthotope-checkpoint");
  file.set_integer("version", 1);
  file.set_text("config", config);
  file.set_text("parent", parent);
  file.set_integer("step", state.step);
  file.set_integer("stage", state.stage);
  file.set_integer("cursor.epoch", state.cursor.epoch);
  file.set_integer("cursor.consumed", state.cursor.consumed);
  file.set_text("data", state.identity);
  file.set_integer("tokens", state.tokens);
  file.set_real("seconds", state.seconds);
  file.set_integer("growths", static_cast<std::int64_t>(state.growths.size()));
  for (size_t i = 0; i < state.growths.size(); ++i)
    file.set_text("growth." + std::to_string(i), state.growths[i]);
}

void remove_old(const std::string& folder, const std::string& newest, std::int64_t keep) {
  std::int64_t kept = 0;
  for (const std::string& name : checkpoint_names(folder)) {
    const std::string path = folder + "/" + name;
    const bool good = name <= newest && file_exists(manifest_path(path));
    if (good && kept++ < std::max<std::int64_t>(keep, 1)) continue;
    // The MANIFEST goes first, so that a half-removed checkpoint is not taken for one.
    std::error_code code;
    std::filesystem::remove(manifest_path(path), code);
    std::filesystem::remove_all(path, code);
    if (code) warn(text("cannot remove old checkpoint ", path, ": ", code.message()));
  }
}

// The checkpoint that one of this name follows; empty when it is the first.
std::string parent_of(const std::string& folder, const std::string& name) {
  for (const std::string& other : checkpoint_names(folder))
    if (other < name && file_exists(manifest_path(folder + "/" + other))) return other;
  return "";
}

void write_checkpoint(const std::string& folder, const RunState& state, const RunConfig& config,
                      std::int64_t keep) {
  const std::string name = checkpoint_name(state.step), path = folder + "/" + name;
  make_folder(path);
  BoxFileWriter file(box_path(path));
  write_arrays(file, state);
  write_attributes(file, state, config_text(config), parent_of(folder, name));
  file.finish();  // the same step again: the new file takes the place of the old one at once
  write_file_durably(manifest_path(path),
                     text("format: orthotope-checkpoint\nversion: 1\nstep: ", state.step,
                          "\nstage: ", state.stage, "\nfiles: [rank-0.h5]\n"));
  remove_old(folder, name, keep);
}

void check_format(const BoxFileReader& file, const std::string& path) {
  if (!file.has_attribute("format") || file.get_text("format") != "orthotope-checkpoint")
    fail(ErrorKind::data, text(path, " is no checkpoint of Orthotope"));
  if (file.get_integer("version") != 1)
    fail(ErrorKind::data, text(path, " has checkpoint version ", file.get_integer("version"),
                               ", this program reads version 1"));
}

void read_array(const BoxFileReader& file, const std::string& path, const std::string& name,
                const Shape& shape, float* out) {
  if (!file.has(name) || file.shape(name) != shape)
    fail(ErrorKind::usage,
         text(path, ": array ", name,
              file.has(name) ? " is " + shape_text(file.shape(name)) : " is missing",
              ", the config's model needs ", shape_text(shape),
              ". A stage that has begun keeps its model and optimizer: put them back, and give the "
              "change a stage of its own, or start a new run folder."));
  file.read(name, whole(shape), out);
}

}  // namespace

void save_checkpoint(Channel& channel, const std::string& folder, const RunState& state,
                     const RunConfig& config, std::int64_t keep) {
  agree(channel, [&] {
    if (channel.rank() == 0) write_checkpoint(folder, state, config, keep);
  });
}

std::vector<std::string> list_checkpoints(const std::string& folder) { return list(folder, true); }

std::vector<std::string> list_unfinished(const std::string& folder) { return list(folder, false); }

CheckpointInfo read_checkpoint_info(const std::string& path) {
  const BoxFileReader file = open_boxes(path);
  check_format(file, path);
  CheckpointInfo info = {path,
                         file.get_text("config"),
                         file.get_text("parent"),
                         file.get_integer("step"),
                         file.get_integer("stage"),
                         {}};
  for (std::int64_t i = 0; i < file.get_integer("growths"); ++i)
    info.growths.push_back(file.get_text("growth." + std::to_string(i)));
  return info;
}

Vocabulary load_vocabulary(const std::string& path) {
  const auto symbols = read_list(open_boxes(path), "run/vocabulary");
  const std::vector<std::uint32_t> code_points(symbols.begin(), symbols.end());
  return Vocabulary(code_points);
}

RunState load_checkpoint(const std::string& path, const ModelSpec& spec,
                         const OptimizerConfig& optimizer) {
  const BoxFileReader file = open_boxes(path);
  check_format(file, path);
  RunState state(spec);
  state.optimizer = fresh_state(optimizer, state.params);
  for (size_t i = 0; i < state.params.all().size(); ++i) {
    const Param<float>& param = state.params.all()[i];
    const Shape shape = param.spec.shape();
    const std::string& name = param.spec.name;
    read_array(file, path, "weight/" + name, shape, param.value);
    read_array(file, path, "first/" + name, shape, state.optimizer.first.data() + param.offset);
    if (state.optimizer.second.size() > 0)
      read_array(file, path, "second/" + name, shape, state.optimizer.second.data() + param.offset);
    state.optimizer.regions[i] = regions_from(name, shape, read_list(file, "steps/" + name));
  }
  const auto symbols = read_list(file, "run/vocabulary");
  state.vocabulary = Vocabulary(std::vector<std::uint32_t>(symbols.begin(), symbols.end()));
  state.ended = read_list(file, "run/ended");
  state.losses.resize(static_cast<size_t>(elements(file.shape("run/losses"))));
  file.read("run/losses", whole(file.shape("run/losses")), state.losses.data());
  state.step = file.get_integer("step");
  state.stage = file.get_integer("stage");
  state.cursor = {file.get_integer("cursor.epoch"), file.get_integer("cursor.consumed")};
  state.identity = file.get_text("data");
  state.tokens = file.get_integer("tokens");
  state.seconds = file.get_real("seconds");
  for (std::int64_t i = 0; i < file.get_integer("growths"); ++i)
    state.growths.push_back(file.get_text("growth." + std::to_string(i)));
  return state;
}

}  // namespace ortho
