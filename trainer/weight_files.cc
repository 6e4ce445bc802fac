#include "trainer/weight_files.h"

#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "dataio/npy.h"
#include "dataio/safetensors.h"

namespace ortho {
namespace {

constexpr const char* kVocabulary = "vocabulary.txt";
constexpr const char* kEnding = ".npy";

std::string vocabulary_text(const Vocabulary& vocabulary) {
  std::string lines;
  for (const std::uint32_t code_point : vocabulary.code_points()) lines += text(code_point, '\n');
  return lines;
}

// "block.0/axis_1.npy" of "block.0.axis.0.w" among two token axes; "" of what the paper has not.
std::string paper_name(const ModelSpec& spec, const std::string& weight) {
  const bool other =
      spec.weights == Weights::tied || spec.weights == Weights::per_channel || spec.heads > 1;
  if (spec.map != MapKind::dense || carries(spec.wiring) || other || spec.branches > 1) return "";
  const size_t number = weight.find(".axis.");
  const size_t block = weight.find('.', std::string("block.").size());
  if (!weight.starts_with("block.") || !weight.ends_with(".w") || spec.single_size > 0) return "";
  const auto axes = static_cast<std::int64_t>(spec.tokens.size());
  const std::int64_t axis =
      number == std::string::npos ? axes : axes - 1 - std::stoll(weight.substr(number + 6));
  return text(weight.substr(0, block), "/axis_", axis, kEnding);
}

void export_npy(const RunState& state, const std::string& folder) {
  for (const Param<float>& param : state.params.all())
    write_npy(text(folder, '/', param.spec.name, kEnding), param.spec.shape(), param.value);
  if (state.vocabulary.size() > 0)
    write_file_durably(folder + '/' + kVocabulary, vocabulary_text(state.vocabulary));
}

// How many there are.
int export_paper(const RunState& state, const std::string& folder) {
  int files = 0;
  for (const Param<float>& param : state.params.all()) {
    const std::string name = paper_name(state.spec, param.spec.name);
    if (name.empty()) continue;
    const std::string path = folder + "/paper/" + name;
    make_folder(path.substr(0, path.rfind('/')));
    write_npy(path, merge_halves(param.spec.dims, param.spec.shape()), param.value);
    ++files;
  }
  return files;
}

void fill(const std::string& path, Param<float>& param) {
  const NpyReader file(path);
  REQUIRE(file.shape() == param.spec.shape(), path, " is ", shape_text(file.shape()),
          ", the model's weight is ", shape_text(param.spec.shape()),
          ". Give the first stage the sizes of the model that was exported.");
  float* next = param.value;
  for_each_run(param.spec.shape(), param.box, [&](std::int64_t first, std::int64_t count) {
    file.read(first, count, next);
    next += count;
  });
}

}  // namespace

std::string export_weights(const RunState& state, const std::string& folder, WeightFormat format) {
  const auto& weights = state.params.all();
  make_folder(folder);
  if (format == WeightFormat::npy) {
    export_npy(state, folder);
  } else {
    std::vector<NamedShape> list;
    for (const Param<float>& param : weights) list.push_back({param.spec.name, param.spec.shape()});
    write_safetensors(folder + "/weights.safetensors", list,
                      [&](size_t i) { return weights[i].value; });
  }
  const int paper = export_paper(state, folder);
  std::string line =
      text(folder, ": ", weights.size(), " weights, ", state.params.size(), " numbers");
  if (paper > 0) line += text("; ", paper, " maps as axis_i.npy in ", folder, "/paper");
  return line;
}

std::string import_weights(const std::string& folder, RunState& state) {
  REQUIRE(file_exists(folder), "start: ", folder, " does not exist; export a run into it");
  size_t filled = 0;
  for (const std::string& name : list_folder(folder)) {
    if (!name.ends_with(kEnding)) continue;
    const std::string weight = name.substr(0, name.size() - std::string(kEnding).size());
    REQUIRE(state.params.has(weight), folder, '/', name,
            ": the first stage's model has no such weight. Remove the file, or give the stage the "
            "model that was exported.");
    fill(folder + '/' + name, state.params.at(weight));
    ++filled;
  }
  REQUIRE(filled > 0, "start: ", folder, " holds no .npy file");
  const std::string path = folder + '/' + kVocabulary;
  REQUIRE(!file_exists(path) || state.vocabulary.size() == 0 ||
              read_file(path) == vocabulary_text(state.vocabulary),
          path,
          ": these are other symbols, or in another order, than the data's. Use the data that "
          "the exported run was trained on.");
  return text("starts from ", filled, " of ", state.params.all().size(), " weights in ", folder);
}

}  // namespace ortho
