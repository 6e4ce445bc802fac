// Which dimensions of each weight the mesh cuts. See model/sharding.h.
#include <map>

#include "core/error.h"
#include "model/layer.h"
#include "model/resize.h"
#include "model/sharding.h"

namespace ortho {
namespace {

// Of the weights of dense layers, which follow their maps.
std::map<std::string, Layout> layer_weights(const ModelSpec& spec, const Sharding& sharding) {
  std::map<std::string, Layout> layouts;
  if (spec.map != MapKind::dense) return layouts;
  // Alike in all blocks, so planned once.
  const auto add = [&](const ModelSpec& where, const Sharding& how, std::int64_t channels,
                       const auto& prefix_of) {
    const std::int64_t out = single_output(where);
    const auto cut = layer_param_layouts(where, how, channels, out);
    for (std::int64_t i = 0; i < spec.blocks * spec.branches; ++i) {
      const std::string block = block_name(i / spec.branches, i % spec.branches);
      const auto weights = layer_params(where, channels, prefix_of(block), out);
      for (size_t w = 0; w < weights.size(); ++w) layouts.emplace(weights[w].name, cut[w]);
    }
  };
  add(spec, sharding, layer_input_channels(spec), [](const std::string& block) { return block; });
  if (resizes(spec)) add(resized(spec), resized(spec, sharding), spec.hidden, back_prefix);
  return layouts;
}

}  // namespace

int channel_dim(const ModelSpec& spec, const ParamSpec& param) {
  const auto last = static_cast<int>(param.dims.size()) - 1;
  if (param.role == Role::gain) return kReplicates;  // a norm sees all channels
  if (param.role == Role::head) return last;         // symbols
  // Tables as wide as the stream give each rank its own channels; narrower ones lead there by a map.
  if (param.role == Role::table) return spec.width == 0 ? last : kReplicates;
  if (param.name == "pre") return last;
  for (int d = 0; d <= last; ++d) {
    const Dim& dim = param.dims[static_cast<size_t>(d)];
    const bool unit_line = dim.kind == DimKind::line && dim.axis == -1;
    if (dim.kind == DimKind::hidden || dim.kind == DimKind::head || unit_line) return d;
  }
  return kReplicates;
}

std::vector<Layout> param_layouts(const ModelSpec& spec, const Sharding& sharding) {
  const std::map<std::string, Layout> layers = layer_weights(spec, sharding);
  std::vector<Layout> list;
  for (const ParamSpec& param : param_specs(spec)) {
    const auto found = layers.find(param.name);
    if (found != layers.end()) {
      list.push_back(found->second);
      continue;
    }
    std::vector<int> cuts(sharding.mesh().axes().size(), kReplicates);
    if (sharding.cuts().channels > 1) cuts.back() = channel_dim(spec, param);
    list.emplace_back(sharding.mesh(), cuts);
  }
  return list;
}

}  // namespace ortho
