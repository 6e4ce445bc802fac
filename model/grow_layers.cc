#include "model/grow_layers.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/error.h"
#include "model/layer.h"

namespace ortho {
namespace {

// The name that each map has where nothing is tied, and the weight that it has in `spec`.
std::vector<std::pair<std::string, std::string>> weights_of(const ModelSpec& spec,
                                                            const std::string& prefix) {
  const Nodes nodes{context(spec), 1, layer_input_channels(spec), tensor_order(spec)};
  const std::vector<DenseMap> maps = layer_maps(spec, nodes, single_output(spec));
  std::vector<std::pair<std::string, std::string>> names;
  for (size_t i = 0; i < maps.size(); ++i)
    names.emplace_back(map_name(maps[i], prefix) + ".w", weight_name(spec, maps, i, prefix));
  return names;
}

// "block.0" of "block.0.axis.1.w".
std::string prefix_of(const std::string& name) {
  const size_t axis = name.find(".axis."), channel = name.find(".channel.w");
  return name.substr(0, std::min(axis, channel));
}

bool is_mapped(const Dim& dim) {
  return dim.kind == DimKind::axis_in || dim.kind == DimKind::axis_out || dim.kind == DimKind::tap;
}

bool ties_channels(const ModelSpec& spec) {
  for (const auto& [own, weight] : weights_of(spec, "b"))
    if (own == "b.channel.w" && own != weight) return true;
  return false;
}

}  // namespace

void check_tied(const ModelSpec& from, const ModelSpec& to) {
  if (from.weights != Weights::tied) return;
  if (to.weights != Weights::tied) {
    REQUIRE(
        !from.gate || !ties_channels(from),
        "model.weights: tied -> another kind, but the channel axis shares a token axis's weight "
        "and has the halves of a gate. Keep weights: tied.");
    return;
  }
  const auto old_names = weights_of(from, "b"), names = weights_of(to, "b");
  for (const auto& [own, weight] : names) {
    const auto old = std::find_if(old_names.begin(), old_names.end(),
                                  [&](const auto& pair) { return pair.first == own; });
    const std::string before = old == old_names.end() ? own : old->second;
    REQUIRE(before == weight, "model.tokens ", shape_text(from.tokens), " -> ",
            shape_text(to.tokens), " with weights: tied: the map ", own.substr(2),
            " would go from ", before.substr(2), " to ", weight.substr(2),
            ", which another axis has trained. Use weights: shared in the new stage, or sizes that "
            "leave the ties as they are.");
  }
}

void check_heads(const ModelSpec& from, const ModelSpec& to) {
  REQUIRE(to.heads >= from.heads, "model.heads ", from.heads, " -> ", to.heads,
          ": a stage cannot take heads away. Keep ", from.heads, " or choose more.");
  if (to.heads == 1) return;
  REQUIRE(from.weights == to.weights || from.heads == 1 || from.weights == Weights::per_channel,
          "model.weights of another kind with ", from.heads,
          " heads, which have weights of their own. Keep the weights.");
  const bool same = from.heads == to.heads && from.hidden == to.hidden;
  REQUIRE(from.hidden / from.heads == to.hidden / to.heads, "model.heads ", from.heads, " -> ",
          to.heads, " with hidden ", from.hidden, " -> ", to.hidden,
          ": heads keep their width and new ones are added. Use hidden ",
          from.hidden / from.heads * to.heads, " with ", to.heads, " heads.");
  REQUIRE(same || (to.in && to.out), "model.heads ", from.heads, " -> ", to.heads,
          " with in: false or out: false: new heads need a way in of their own, and a way out that "
          "starts at zero. Set both to true from the start.");
  REQUIRE(same || (to.active == 1.0 && to.activation != Activation::sort2), "model.heads ",
          from.heads, " -> ", to.heads, " with active ", to.active,
          ", or sort2: the units that the activation works on would change. Use active: 1 and "
          "another activation.");
  REQUIRE(to.in || from.channels == to.channels, "model.channels ", from.channels, " -> ",
          to.channels, " with in: false and ", to.heads,
          " heads, which share the channels: their borders would move. Set in: true.");
}

std::optional<ParamSpec> tied_source(const ModelSpec& from, const ParamSpec& target,
                                     const std::map<std::string, const ParamSpec*>& by_name) {
  if (from.weights != Weights::tied || target.role != Role::map) return std::nullopt;
  const std::string prefix = prefix_of(target.name);
  if (prefix == target.name) return std::nullopt;
  for (const auto& [own, weight] : weights_of(from, prefix)) {
    const auto found = by_name.find(weight);
    if (own != target.name || found == by_name.end()) continue;
    ParamSpec source = *found->second;
    const auto mapped = std::find_if(target.dims.begin(), target.dims.end(), is_mapped);
    for (Dim& dim : source.dims)
      if (is_mapped(dim)) dim.axis = mapped->axis;
    return source;
  }
  return std::nullopt;
}

}  // namespace ortho
