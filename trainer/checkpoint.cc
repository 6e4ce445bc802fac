#include "trainer/checkpoint.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <span>
#include <sstream>

#include "comm/agree.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "dataio/box_file.h"
#include "dataio/manifest.h"
#include "trainer/checkpoint_manifest.h"

namespace ortho {
namespace {

constexpr const char* kPrefix = "step-";

std::string checkpoint_name(std::int64_t step) {
  char name[32];
  std::snprintf(name, sizeof name, "%s%010lld", kPrefix, static_cast<long long>(step));
  return name;
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

// ---- what a rank writes ----

void write_list(BoxFileWriter& file, const std::string& name,
                std::span<const std::int64_t> values) {
  const Shape shape = {static_cast<std::int64_t>(values.size())};
  file.write(name, shape, whole(shape), values.data());
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

// The rank's own part of one array, `first` its first element.
void write_own(BoxFileWriter& file, const std::string& name, const Shape& shape,
               const std::vector<Box>& boxes, const float* first) {
  for (const Box& box : boxes) {
    file.write(name, shape, box, first);
    first += elements(box);
  }
}

void write_arrays(BoxFileWriter& file, const RunState& state) {
  const OptimizerState<float>& optimizer = state.optimizer;
  for (const Param<float>& param : state.params.all()) {
    const Range own = state.params.own(param);
    if (own.size() == 0) continue;
    const std::vector<Box> boxes = boxes_of(param.box, own);
    const Shape shape = param.spec.shape();
    const std::string& name = param.spec.name;
    const std::int64_t moment = state.params.moment_of(param, own.lo);
    write_own(file, "weight/" + name, shape, boxes, param.value + own.lo);
    write_own(file, "first/" + name, shape, boxes, optimizer.first.data() + moment);
    if (optimizer.second.size() > 0)
      write_own(file, "second/" + name, shape, boxes, optimizer.second.data() + moment);
  }
}

// The words of the word table, a line break behind each.
std::vector<std::int64_t> word_letters(const RunState& state) {
  std::vector<std::int64_t> letters;
  for (const std::u32string& word : state.vocabulary.words.words()) {
    letters.insert(letters.end(), word.begin(), word.end());
    letters.push_back('\n');
  }
  return letters;
}

// What all ranks hold, written by the first alone.
void write_run(BoxFileWriter& file, const RunState& state, const std::string& config,
               const std::string& parent) {
  for (size_t i = 0; i < state.params.all().size(); ++i)
    write_list(file, "steps/" + state.params.all()[i].spec.name,
               region_rows(state.optimizer.regions[i]));
  std::vector<std::int64_t> symbols(state.vocabulary.code_points().begin(),
                                    state.vocabulary.code_points().end());
  write_list(file, "run/vocabulary", symbols);
  if (state.vocabulary.words.size() > 0) write_list(file, "run/words", word_letters(state));
  write_list(file, "run/ended", state.ended);
  const Shape losses = {static_cast<std::int64_t>(state.losses.size())};
  file.write("run/losses", losses, whole(losses), state.losses.data());
  file.set_text("format", kCheckpointFormat);
  file.set_integer("version", kCheckpointVersion);
  file.set_text("config", config);
  file.set_text("model", model_text(state.spec));
  file.set_text("parent", parent);
  file.set_integer("step", state.step);
  file.set_integer("stage", state.stage);
  for (size_t i = 0; i < kObjectives; ++i) {
    const std::string cursor = "cursor." + objective_name(static_cast<Objective>(i));
    file.set_integer(cursor + ".epoch", state.cursors[i].epoch);
    file.set_integer(cursor + ".consumed", state.cursors[i].consumed);
  }
  file.set_text("data", state.identity);
  file.set_integer("tokens", state.tokens);
  file.set_real("seconds", state.seconds);
  file.set_integer("growths", static_cast<std::int64_t>(state.growths.size()));
  for (size_t i = 0; i < state.growths.size(); ++i)
    file.set_text("growth." + std::to_string(i), state.growths[i]);
}

// ---- the folder ----

// The checkpoint that one of this name follows; empty when it is the first.
std::string parent_of(const std::string& folder, const std::string& name) {
  for (const std::string& other : checkpoint_names(folder))
    if (other < name && file_exists(manifest_path(folder + "/" + other))) return other;
  return "";
}

// Files of rank R are called rank-R.h5, or rank-R.1.h5 … when the same step is saved again: the old
// files stay whole until the MANIFEST lists the new ones instead.
std::string file_name(int rank, int attempt) {
  return text("rank-", rank, attempt == 0 ? "" : text('.', attempt), ".h5");
}

void remove_path(const std::string& path) {
  std::error_code code;
  std::filesystem::remove_all(path, code);
  if (code) warn(text("cannot remove ", path, ": ", code.message()));
}

// Makes the folder without what an unfinished save left in it; returns an attempt whose names are
// free.
int begin_checkpoint(const std::string& path) {
  if (!file_exists(manifest_path(path))) remove_path(path);
  make_folder(path);
  int attempt = 0;
  while (file_exists(path + "/" + file_name(0, attempt))) ++attempt;
  return attempt;
}

// What the MANIFEST does not list: files of an earlier save of this step.
void remove_unlisted(const std::string& path, const CheckpointManifest& manifest) {
  for (const std::string& name : list_folder(path)) {
    const bool listed = std::any_of(manifest.files.begin(), manifest.files.end(),
                                    [&](const CheckpointFile& file) { return file.name == name; });
    if (!listed && path + "/" + name != manifest_path(path)) remove_path(path + "/" + name);
  }
}

void remove_old(const std::string& folder, const std::string& newest, std::int64_t keep) {
  std::int64_t kept = 0;
  for (const std::string& name : checkpoint_names(folder)) {
    const std::string path = folder + "/" + name;
    const bool good = name <= newest && file_exists(manifest_path(path));
    if (good && kept++ < std::max<std::int64_t>(keep, 1)) continue;
    // The MANIFEST goes first, so that a half-removed checkpoint is not taken for one.
    remove_path(manifest_path(path));
    remove_path(path);
  }
}

// The files of all ranks, to every rank.
std::vector<CheckpointFile> gather_files(Channel& channel, const CheckpointFile& mine) {
  std::vector<CheckpointFile> files;
  for (const std::string& entry : channel.gather(text(mine.name, ' ', mine.bytes))) {
    CheckpointFile file;
    std::istringstream(entry) >> file.name >> file.bytes;
    files.push_back(file);
  }
  return files;
}

}  // namespace

void save_checkpoint(Channel& channel, const std::string& folder, RunState& state,
                     const RunConfig& config, std::int64_t keep) {
  const std::string name = checkpoint_name(state.step), path = folder + "/" + name;
  int attempt = 0;
  agree(channel, [&] {
    if (channel.rank() == 0) attempt = begin_checkpoint(path);
  });
  attempt = static_cast<int>(channel.max(attempt));
  CheckpointFile mine{file_name(channel.rank(), attempt), 0};
  agree(channel, [&] {
    BoxFileWriter file(path + "/" + mine.name);
    write_arrays(file, state);
    if (channel.rank() == 0) write_run(file, state, config_text(config), parent_of(folder, name));
    file.finish();
    mine.bytes = static_cast<std::int64_t>(std::filesystem::file_size(path + "/" + mine.name));
  });
  const CheckpointManifest manifest{state.step, state.stage, mesh_text(state.sharding.mesh()),
                                    gather_files(channel, mine)};
  agree(channel, [&] {
    if (channel.rank() != 0) return;
    write_checkpoint_manifest(path, manifest);
    remove_unlisted(path, manifest);
    remove_old(folder, name, keep);
  });
  state.saved = path;
}

std::vector<std::string> list_checkpoints(const std::string& folder) { return list(folder, true); }

std::vector<std::string> list_unfinished(const std::string& folder) { return list(folder, false); }

}  // namespace ortho
