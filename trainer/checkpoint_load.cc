// Loading: a checkpoint's boxes through a growth's plan onto any mesh. See trainer/checkpoint.h.
#include <span>

#include "core/error.h"
#include "dataio/box_file.h"
#include "model/shrink.h"
#include "trainer/checkpoint.h"
#include "trainer/checkpoint_manifest.h"

namespace ortho {
namespace {

// Checks that it is one; attributes and all that no rank owns are in the first file.
BoxFileReader open_boxes(const std::string& path, const std::vector<std::string>& files) {
  BoxFileReader file(files);
  if (!file.has_attribute("format") || file.get_text("format") != kCheckpointFormat)
    fail(ErrorKind::data, text(path, " is no checkpoint of Orthotope"));
  check_checkpoint_version(path, file.get_integer("version"));
  return file;
}

BoxFileReader open_first(const std::string& path) {
  return open_boxes(path, {checkpoint_files(path).front()});
}

std::vector<std::int64_t> read_list(const BoxFileReader& file, const std::string& name) {
  const Shape shape = file.shape(name);
  std::vector<std::int64_t> values(static_cast<size_t>(elements(shape)));
  file.read(name, whole(shape), values.data());
  return values;
}

// Empty when there is none.
std::vector<double> read_curve(const BoxFileReader& file, const std::string& name) {
  if (!file.has(name)) return {};
  const Shape shape = file.shape(name);
  std::vector<double> values(static_cast<size_t>(elements(shape)));
  file.read(name, whole(shape), values.data());
  return values;
}

Vocabulary read_vocabulary(const BoxFileReader& file) {
  const auto symbols = read_list(file, "run/vocabulary");
  Vocabulary vocabulary(std::vector<std::uint32_t>(symbols.begin(), symbols.end()));
  if (!file.has("run/words")) return vocabulary;
  std::vector<std::u32string> words(1);
  for (const std::int64_t letter : read_list(file, "run/words")) {
    if (letter == '\n')
      words.emplace_back();
    else
      words.back().push_back(static_cast<char32_t>(letter));
  }
  words.pop_back();
  vocabulary.words.extend(words);
  return vocabulary;
}

std::vector<std::string> read_growths(const BoxFileReader& file) {
  std::vector<std::string> growths;
  for (std::int64_t i = 0; i < file.get_integer("growths"); ++i)
    growths.push_back(file.get_text("growth." + std::to_string(i)));
  return growths;
}

// From rows of numbers: lo of every axis, hi of every axis, steps.
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

StepCounts read_steps(const BoxFileReader& file, const ModelSpec& spec) {
  StepCounts counts;
  for (const ParamSpec& param : param_specs(spec))
    counts.push_back(
        regions_from(param.name, param.shape(), read_list(file, "steps/" + param.name)));
  return counts;
}

void refuse_array(const BoxFileReader& file, const std::string& path, const std::string& name,
                  const Shape& shape, bool of_this_model) {
  const std::string found = file.has(name) ? " is " + shape_text(file.shape(name)) : " is missing";
  // A moment alone may be missing because another optimizer saved it.
  if (of_this_model && !name.starts_with("second/"))
    fail(ErrorKind::data, text(path, ": array ", name, found, ", its own model has ",
                               shape_text(shape), ": the files are not those of one save"));
  fail(ErrorKind::usage,
       text(path, ": array ", name, found, ", the config's model needs ", shape_text(shape),
            ". A stage that has begun keeps its model and optimizer: put them back, and give the "
            "change a stage of its own, or start a new run folder."));
}

// Whether all weights and moments of `spec` are there.
void check_arrays(const BoxFileReader& file, const std::string& path, const ModelSpec& spec,
                  bool second) {
  const bool of_this_model = file.get_text("model") == model_text(spec);
  for (const ParamSpec& param : param_specs(spec))
    for (const char* kind : {"weight/", "first/", "second/"}) {
      if (kind == std::string("second/") && !second) continue;
      const std::string name = kind + param.name;
      if (!file.has(name) || file.shape(name) != param.shape())
        refuse_array(file, path, name, param.shape(), of_this_model);
    }
}

BoxSource<float> arrays_of(const BoxFileReader& file, const std::string& kind) {
  return [&file, kind](const std::string& name, const Box& box, float* out) {
    file.read(kind + name, box, out);
  };
}

// Of one moment, what this rank owns.
void read_moments(const GrowPlan& plan, const BoxSource<float>& source, const Params<float>& params,
                  Buffer<float>& moments) {
  for (size_t i = 0; i < plan.params.size(); ++i) {
    const Param<float>& param = params.all()[i];
    const Range own = params.own(param);
    if (own.size() == 0) continue;
    float* next = moments.data() + params.moment_of(param, own.lo);
    for (const Box& box : boxes_of(param.box, own)) {
      grow_moments(plan.params[i], box, source, next);
      next += elements(box);
    }
  }
}

// Every rank reads all values that it holds, also those of which others hold copies. To read a share
// and send it round is about as fast (docs/performance.md), but a rank that cannot read its share
// would leave the others waiting.
void read_weights(const BoxFileReader& file, const std::string& path, const GrowPlan& plan,
                  std::uint64_t seed, RunState& state) {
  const bool second = state.optimizer.second.size() > 0;
  check_arrays(file, path, plan.from, second);
  for (size_t i = 0; i < plan.params.size(); ++i) {
    const Param<float>& param = state.params.all()[i];
    grow_values(plan.params[i], param.box, seed, arrays_of(file, "weight/"), param.value);
  }
  read_moments(plan, arrays_of(file, "first/"), state.params, state.optimizer.first);
  if (second) read_moments(plan, arrays_of(file, "second/"), state.params, state.optimizer.second);
  state.optimizer.regions = grow_steps(plan, read_steps(file, plan.from));
}

void read_run(const BoxFileReader& file, RunState& state) {
  state.vocabulary = read_vocabulary(file);
  state.ended = read_list(file, "run/ended");
  state.losses = read_curve(file, "run/losses");
  state.step = file.get_integer("step");
  state.stage = file.get_integer("stage");
  for (size_t i = 0; i < kObjectives; ++i) {
    const std::string objective = objective_name(static_cast<Objective>(i));
    state.history[i] = {read_curve(file, "run/recent_losses." + objective),
                        read_curve(file, "run/recent_norms." + objective)};
    std::string cursor = "cursor." + objective;
    // Before there were mixes a stage had one objective, and one cursor.
    if (!file.has_attribute(cursor + ".epoch")) cursor = "cursor";
    state.cursors[i] = {file.get_integer(cursor + ".epoch"),
                        file.get_integer(cursor + ".consumed")};
  }
  state.identity = file.get_text("data");
  state.tokens = file.get_integer("tokens");
  if (file.has_attribute("bad_steps")) state.bad_steps = file.get_integer("bad_steps");
  state.seconds = file.get_real("seconds");
  state.growths = read_growths(file);
}

}  // namespace

std::vector<std::string> checkpoint_files(const std::string& path) {
  std::vector<std::string> files;
  for (const CheckpointFile& file : read_checkpoint_manifest(path).files)
    files.push_back(path + "/" + file.name);
  return files;
}

CheckpointInfo read_checkpoint_info(const std::string& path) {
  const BoxFileReader file = open_first(path);
  return {path,
          file.get_text("config"),
          file.get_text("parent"),
          file.get_text("model"),
          file.get_integer("step"),
          file.get_integer("stage"),
          read_growths(file)};
}

Vocabulary load_vocabulary(const std::string& path) { return read_vocabulary(open_first(path)); }

RunState load_checkpoint(const std::string& path, const ModelSpec& spec,
                         const OptimizerConfig& optimizer, const Sharding& sharding) {
  const BoxFileReader file = open_boxes(path, checkpoint_files(path));
  RunState state(spec, sharding);
  state.optimizer = fresh_state(optimizer, state.params);
  read_weights(file, path, plan_growth(spec, spec), 0, state);
  read_run(file, state);
  state.saved = path;
  return state;
}

RunState load_checkpoint(const std::string& path, const ModelSpec& spec,
                         const OptimizerConfig& optimizer) {
  return load_checkpoint(path, spec, optimizer, Sharding(spec, 1));
}

void load_weights(const std::string& path, const GrowPlan& plan, std::uint64_t seed,
                  RunState& state) {
  read_weights(open_boxes(path, checkpoint_files(path)), path, plan, seed, state);
}

Kept kept_of(const std::string& path, const ModelSpec& from, const ModelSpec& to) {
  const BoxFileReader file = open_boxes(path, checkpoint_files(path));
  return choose_kept(from, to, arrays_of(file, "weight/"));
}

void load_grown(const std::string& path, const GrowPlan& plan, const OptimizerConfig& optimizer,
                const Sharding& sharding, std::uint64_t seed, RunState& state) {
  state.saved.clear();
  state.optimizer = {};
  state.params = Params<float>(std::vector<ParamSpec>{});  // frees, before the new ones are there
  state.spec = plan.to;
  state.sharding = sharding;
  state.params =
      Params<float>(param_specs(plan.to), param_layouts(plan.to, sharding), sharding.rank());
  state.optimizer = fresh_state(optimizer, state.params);
  load_weights(path, plan, seed, state);
}

}  // namespace ortho
