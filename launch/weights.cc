// export and apply: weights and layers as plain arrays.
#include <cstdio>

#include "comm/local.h"
#include "core/error.h"
#include "core/file.h"
#include "dataio/npy.h"
#include "launch/commands.h"
#include "launch/open_run.h"
#include "model/apply.h"
#include "trainer/weight_files.h"

namespace ortho {
namespace {

template <class T>
ApplyArray<T> read_array(const std::string& path) {
  const NpyReader file(path);
  ApplyArray<T> array{file.shape(), {}};
  array.values.resize(static_cast<size_t>(elements(array.shape)));
  file.read(0, elements(array.shape), array.values.data());
  return array;
}

template <class T>
void apply(const ApplyOptions& options) {
  std::map<int, ApplyArray<T>> weights;
  for (const int axis : applied_axes(options.rule))
    weights[axis] = read_array<T>(text(options.weights, "/axis_", axis, ".npy"));
  const ApplyArray<T> output = apply_layer(options.rule, read_array<T>(options.input), weights);
  write_npy(options.output, output.shape, output.values.data());
  std::printf("%s: %s\n", options.output.c_str(), shape_text(output.shape).c_str());
}

}  // namespace

int run_export(const ExportOptions& options) {
  const auto alone = make_single_channel();
  const OpenRun run = open_run(*alone, options.path, [](const ModelSpec&, int) { return 1; });
  const auto format = options.safetensors ? WeightFormat::safetensors : WeightFormat::npy;
  std::printf("%s\n", export_weights(*run.state, options.to, format).c_str());
  return 0;
}

int run_apply(const ApplyOptions& options) {
  if (NpyReader(options.input).is_double())
    apply<double>(options);
  else
    apply<float>(options);
  return 0;
}

}  // namespace ortho
