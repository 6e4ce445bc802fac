// Which maps a layer has, their weights, and the layouts all of them have. See model/layer.h.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "comm/chain.h"
#include "core/error.h"
#include "model/layer.h"

namespace ortho {
namespace {

// What the choice of a chain's layouts counts an element as. Models train in float; others run in
// the same layouts.
constexpr int kElementBytes = 4;

// As in Dim; -1: the channel axis. `axis` as in DenseMap.
int from_innermost(const Shape& tokens, int axis) {
  return static_cast<int>(tokens.size()) - 1 - axis;
}

// The mapped axes in the order they run.
std::vector<int> running_order(const ModelSpec& spec) {
  std::vector<int> axes = mapped_axes(spec);
  if (spec.combine == Combine::sequential && spec.sequence == Sequence::descending)
    std::reverse(axes.begin(), axes.end());
  return axes;
}

// A dense layer of a gated model runs on u's E channels and then v's, unless it makes them itself
// out of the residual stream.
bool reads_halves(const ModelSpec& spec, std::int64_t channels) {
  const bool makes_them = !spec.in && makes_units(spec);
  return spec.gate && !makes_them && channels == gated_width(spec);
}

bool writes_halves(const ModelSpec& spec, const DenseMap& map) {
  if (map.on_channels()) return spec.gate && map.out == gated_width(spec);
  return reads_halves(spec, map.channels);
}

// The channel dimensions as two each: half, and E units.
std::vector<Dim> with_halves(const ModelSpec& spec, const DenseMap& map,
                             const std::vector<Dim>& dims) {
  const bool input = reads_halves(spec, map.channels), output = writes_halves(spec, map);
  std::vector<Dim> split;
  for (Dim dim : dims) {
    if (dim.axis == -1 && dim.kind != DimKind::head &&
        (dim.kind == DimKind::axis_out ? output : input)) {
      split.push_back({DimKind::half, 2});
      dim.size /= 2;
    }
    split.push_back(dim);
  }
  return split;
}

// What each dimension of the map's weight stands for, in weight_shape's order.
std::vector<Dim> weight_dims(const ModelSpec& spec, const DenseMap& map) {
  const int mapped = from_innermost(map.tokens, map.axis);
  const DimKind own = map.causal() ? DimKind::line : DimKind::axis_in;
  std::vector<Dim> dims;
  if (map.weights == Weights::separate) {
    for (int a = 0; a <= static_cast<int>(map.tokens.size()); ++a)
      dims.push_back({a == map.axis ? own : DimKind::line, 0, from_innermost(map.tokens, a)});
  } else {
    if (map.weights == Weights::per_channel)
      dims.push_back({DimKind::line, 0, -1});
    else if (map.groups > 0 && !map.on_channels())
      dims.push_back({DimKind::head, 0, -1});
    if (!map.causal() || map.weights == Weights::by_position) dims.push_back({own, 0, mapped});
  }
  dims.push_back({map.causal() ? DimKind::tap : DimKind::axis_out, 0, mapped});
  const Shape shape = weight_shape(map);
  ASSERT(shape.size() == dims.size(), "a dense map's dimensions");
  for (size_t d = 0; d < dims.size(); ++d) dims[d].size = shape[d];
  return with_halves(spec, map, dims);
}

// Nodes that one output hears, away from the ends of a line.
std::int64_t inputs_of(const DenseMap& map) {
  if (map.on_channels()) return map.channels / map.slices();
  const bool both_ways = map.wiring == Wiring::grid;
  return std::min(map.size(), (both_ways ? 2 : 1) * map.reach() + 1);
}

// The dimension of a weight that stands for an axis of the nodes, or kReplicates.
int dim_of(const std::vector<Dim>& dims, const NodeShape& nodes, int axis) {
  if (axis == nodes.batch_axis()) return kReplicates;
  const bool half = nodes.halves && axis == nodes.channel_axis() - 1;
  const int named = axis < nodes.token_axes() ? nodes.token_axes() - 1 - axis : -1;
  for (size_t d = 0; d < dims.size(); ++d) {
    const bool input = dims[d].kind == DimKind::line || dims[d].kind == DimKind::axis_in ||
                       dims[d].kind == DimKind::head;
    if (input && dims[d].axis == named)
      return static_cast<int>(half ? d - 1 : d);  // the half stands before its units
  }
  return kReplicates;
}

// A mesh axis that cuts an axis of the nodes cuts the dimension that stands for it.
Layout weight_layout(const std::vector<Dim>& dims, const NodeShape& nodes, const Layout& layout) {
  std::vector<int> cuts;
  for (const int axis : layout.cuts())
    cuts.push_back(axis == kReplicates ? kReplicates : dim_of(dims, nodes, axis));
  return {layout.mesh(), cuts};
}

// The axes of the nodes that a map needs whole.
std::vector<int> whole_axes(const DenseMap& map, const NodeShape& nodes) {
  if (map.on_channels() && nodes.halves) return {nodes.channel_axis() - 1, nodes.channel_axis()};
  if (map.on_channels()) return {nodes.channel_axis()};
  if (!map.causal()) return {map.axis};
  std::vector<int> axes(static_cast<size_t>(map.axis) + 1);
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

// All layouts that moves to the lines lead to from home, itself first.
std::vector<Layout> reachable(const NodeShape& nodes, const Layout& home,
                              const std::vector<std::vector<int>>& whole, bool with_batch) {
  std::vector<Layout> found = {home};
  for (size_t i = 0; i < found.size(); ++i)
    for (const std::vector<int>& axes : whole) {
      const auto lines = find_lines_layout(nodes, found[i], axes, with_batch);
      const auto is_same = [&](const Layout& one) { return one.cuts() == lines->cuts(); };
      if (lines && std::none_of(found.begin(), found.end(), is_same)) found.push_back(*lines);
    }
  return found;
}

// The maps that have the same weight as map number i.
std::vector<size_t> sharers(const ModelSpec& spec, const std::vector<DenseMap>& maps, size_t i) {
  std::vector<size_t> found;
  for (size_t other = 0; other < maps.size(); ++other) {
    const bool alike = maps[other].size() == maps[i].size() &&
                       maps[other].effective_wiring() == maps[i].effective_wiring() &&
                       weight_shape(maps[other]) == weight_shape(maps[i]);
    if (other == i || (spec.weights == Weights::tied && alike)) found.push_back(other);
  }
  return found;
}

// Of the maps that share a weight, the one that its dimensions are named by: along the innermost
// token axis.
size_t namesake(const ModelSpec& spec, const std::vector<DenseMap>& maps, size_t i) {
  const std::vector<size_t> same = sharers(spec, maps, i);
  const auto inside = [&](size_t a, size_t b) {
    const auto key = [&](size_t map) { return maps[map].on_channels() ? -1 : maps[map].axis; };
    return key(a) < key(b);
  };
  return *std::max_element(same.begin(), same.end(), inside);
}

// Whether no map before number i has its weight.
bool is_first_of(const ModelSpec& spec, const std::vector<DenseMap>& maps, size_t i) {
  return sharers(spec, maps, i).front() == i;
}

// Error(usage) unless each rank has whole heads.
void check_heads(const ModelSpec& spec, const NodeShape& nodes,
                 const std::vector<Layout>& layouts) {
  if (spec.heads == 1) return;
  for (const Layout& layout : layouts) {
    const int parts = layout.parts(nodes.channel_axis());
    REQUIRE(spec.heads % parts == 0, "the mesh leaves ", parts,
            " parts of the channels where a map runs, but model.heads are ", spec.heads,
            ": each part needs whole heads. Use a cut that divides the heads.");
    REQUIRE(
        parts == 1 || spec.weights != Weights::tied, "weights: tied with model.heads ", spec.heads,
        " stay whole, but the mesh leaves ", parts,
        " parts of the channels where a map runs. Cut the batch instead, or use weights: shared.");
  }
}

std::vector<DenseMap> whole_maps(const ModelSpec& spec, const Sharding& sharding,
                                 std::int64_t channels, std::int64_t single_out) {
  const Order order = sharding.nodes(channels).order;
  return layer_maps(spec, {elements(spec.tokens), sharding.windows(), channels, order}, single_out);
}

}  // namespace

std::string map_name(const DenseMap& map, const std::string& prefix) {
  if (map.on_channels()) return prefix + ".channel";
  return text(prefix, ".axis.", from_innermost(map.tokens, map.axis));
}

std::string weight_name(const ModelSpec& spec, const std::vector<DenseMap>& maps, size_t i,
                        const std::string& prefix) {
  if (sharers(spec, maps, i).size() == 1) return map_name(maps[i], prefix) + ".w";
  return text(prefix, ".size.", maps[i].size(), ".w");
}

LayerShapes layer_shapes(const ModelSpec& spec, const Sharding& sharding, std::int64_t channels,
                         std::int64_t single_out) {
  const DenseMap map = whole_maps(spec, sharding, channels, single_out).back();
  LayerShapes shapes;
  shapes.input =
      node_shape(map.tokens, map.batch, channels, map.order, reads_halves(spec, channels));
  Shape tokens = map.tokens;
  if (!map.on_channels()) tokens[static_cast<size_t>(map.axis)] = map.out;
  shapes.output = node_shape(tokens, map.batch, map.on_channels() ? map.out : channels, map.order,
                             writes_halves(spec, map));
  return shapes;
}

std::vector<DenseMap> layer_maps(const ModelSpec& spec, const Nodes& nodes,
                                 std::int64_t single_out) {
  ASSERT(nodes.tokens == elements(spec.tokens), nodes.tokens, " tokens are no grid of ",
         shape_text(spec.tokens));
  REQUIRE(single_out == 0 || spec.combine == Combine::single,
          "model.combine: only a single axis can have another output size (", single_out, ")");
  std::vector<DenseMap> maps;
  for (const int axis : running_order(spec)) {
    DenseMap map{spec.tokens, nodes.batch, nodes.channels, nodes.order,
                 axis,        1,           spec.weights,   spec.wiring};
    map.out = single_out == 0 ? map.size() : single_out;
    const bool one_array = map.weights != Weights::separate;
    if (map.on_channels() && one_array) map.weights = Weights::shared;
    if (map.weights == Weights::tied) map.weights = Weights::shared;
    if (!map.on_channels()) map.radius = spec.radius;
    map.self = has_self(spec, axis);
    if (spec.heads > 1) map.groups = spec.heads;
    map.in_halves = reads_halves(spec, map.channels);
    map.out_halves = writes_halves(spec, map);
    weight_shape(map);  // checks
    maps.push_back(map);
  }
  return maps;
}

std::vector<ParamSpec> layer_params(const ModelSpec& spec, std::int64_t channels,
                                    const std::string& prefix, std::int64_t single_out) {
  const Nodes nodes{elements(spec.tokens), 1, channels, Order::batch_inner};
  const std::vector<DenseMap> maps = layer_maps(spec, nodes, single_out);
  std::int64_t summed = 0;
  for (const DenseMap& map : maps) summed += inputs_of(map);
  std::vector<ParamSpec> list;
  for (size_t i = 0; i < maps.size(); ++i) {
    if (!is_first_of(spec, maps, i)) continue;
    const std::int64_t inputs = spec.combine == Combine::parallel ? summed : inputs_of(maps[i]);
    const Init init{Initial::normal, 1 / std::sqrt(static_cast<double>(inputs))};
    list.push_back({weight_name(spec, maps, i, prefix),
                    weight_dims(spec, maps[namesake(spec, maps, i)]), Role::map, init, true});
  }
  return list;
}

std::vector<Layout> layer_layouts(const ModelSpec& spec, const Sharding& sharding,
                                  std::int64_t channels, std::int64_t single_out) {
  const auto& [nodes, output] = layer_shapes(spec, sharding, channels, single_out);
  const Layout home = same_cuts(sharding.home(), sharding.nodes(channels), nodes);
  const std::vector<DenseMap> maps = whole_maps(spec, sharding, channels, single_out);
  check_layout(nodes, home);
  check_layout(output, same_cuts(home, nodes, output));
  const bool with_batch = spec.weights != Weights::separate;
  NodeShape lines_of = nodes;  // whose channels are cut by whole heads
  if (spec.heads > 1) lines_of.shape[static_cast<size_t>(nodes.channel_axis())] = spec.heads;
  std::vector<std::vector<int>> whole;
  std::vector<Layout> layouts;
  for (const DenseMap& map : maps) {
    whole.push_back(whole_axes(map, nodes));
    // A tied weight stays whole; a rank's part of the inputs has no diagonal of its own.
    const bool can_add = !map.on_channels() && map.wiring == Wiring::grid && map.self &&
                         map.radius == 0 && spec.weights != Weights::tied;
    const auto lines = find_lines_layout(lines_of, home, whole.back(), with_batch);
    if (!lines && can_add) whole.back().clear();  // partial sums, in any layout
    layouts.push_back(lines || !can_add ? lines_layout(lines_of, home, whole.back(), with_batch)
                                        : home);
  }
  if (spec.combine == Combine::sequential) {
    const std::vector<Layout> candidates = reachable(lines_of, home, whole, with_batch);
    const ChainPath path =
        cheapest_chain(nodes, candidates, whole, 0, 0, LinkCost{}, kElementBytes);
    for (size_t i = 0; i < maps.size(); ++i) layouts[i] = candidates[path.layouts[i]];
  }
  check_heads(spec, nodes, layouts);
  return layouts;
}

std::vector<Layout> layer_param_layouts(const ModelSpec& spec, const Sharding& sharding,
                                        std::int64_t channels, std::int64_t single_out) {
  const std::vector<DenseMap> maps = whole_maps(spec, sharding, channels, single_out);
  const std::vector<Layout> layouts = layer_layouts(spec, sharding, channels, single_out);
  const NodeShape nodes = layer_shapes(spec, sharding, channels, single_out).input;
  const Layout copies(sharding.mesh(),
                      std::vector<int>(sharding.mesh().axes().size(), kReplicates));
  std::vector<Layout> list;
  for (size_t i = 0; i < maps.size(); ++i) {
    if (!is_first_of(spec, maps, i)) continue;
    const bool is_one = sharers(spec, maps, i).size() > 1;
    list.push_back(is_one ? copies : weight_layout(weight_dims(spec, maps[i]), nodes, layouts[i]));
  }
  return list;
}

}  // namespace ortho
