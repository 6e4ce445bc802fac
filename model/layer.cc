#include "model/layer.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace ortho {
namespace {

int from_innermost(const DenseMap& map, int axis) {
  return static_cast<int>(map.tokens.size()) - 1 - axis;  // -1: the channel axis, as in Dim
}

// The mapped axes in the order they run.
std::vector<int> running_order(const ModelSpec& spec) {
  std::vector<int> axes = mapped_axes(spec);
  if (spec.combine == Combine::sequential && spec.sequence == Sequence::descending)
    std::reverse(axes.begin(), axes.end());
  return axes;
}

std::string weight_name(const DenseMap& map, const std::string& prefix) {
  if (map.on_channels()) return prefix + ".channel.w";
  return text(prefix, ".axis.", from_innermost(map, map.axis), ".w");
}

// A dense layer of a gated model runs on u's E channels and then v's, unless it makes them itself
// out of the residual stream.
bool runs_on_halves(const ModelSpec& spec, const DenseMap& map) {
  const bool makes_them = !spec.in && single_output(spec) > 0;
  return spec.gate && !makes_them && map.channels == gated_width(spec);
}

// The channel dimensions as two each: half, and E units.
std::vector<Dim> with_halves(const ModelSpec& spec, const DenseMap& map,
                             const std::vector<Dim>& dims) {
  const bool input = runs_on_halves(spec, map);
  const bool output = spec.gate && map.on_channels() && map.out == gated_width(spec);
  std::vector<Dim> split;
  for (Dim dim : dims) {
    if (dim.axis == -1 && (dim.kind == DimKind::axis_out ? output : input)) {
      split.push_back({DimKind::half, 2});
      dim.size = spec.hidden;
    }
    split.push_back(dim);
  }
  return split;
}

// What each dimension of the map's weight stands for, in weight_shape's order.
std::vector<Dim> weight_dims(const ModelSpec& spec, const DenseMap& map) {
  const int mapped = from_innermost(map, map.axis);
  const DimKind own = map.causal() ? DimKind::line : DimKind::axis_in;
  std::vector<Dim> dims;
  if (map.weights == Weights::separate) {
    for (int a = 0; a <= static_cast<int>(map.tokens.size()); ++a)
      dims.push_back({a == map.axis ? own : DimKind::line, 0, from_innermost(map, a)});
  } else if (!map.causal() || map.weights == Weights::by_position) {
    dims.push_back({own, 0, mapped});
  }
  dims.push_back({map.causal() ? DimKind::tap : DimKind::axis_out, 0, mapped});
  const Shape shape = weight_shape(map);
  ASSERT(shape.size() == dims.size(), "a dense map's dimensions");
  for (size_t d = 0; d < dims.size(); ++d) dims[d].size = shape[d];
  return with_halves(spec, map, dims);
}

}  // namespace

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
    if (map.on_channels() && map.weights == Weights::by_position) map.weights = Weights::shared;
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
  for (const DenseMap& map : maps) summed += map.size();
  std::vector<ParamSpec> list;
  for (const DenseMap& map : maps) {
    const std::int64_t inputs = spec.combine == Combine::parallel ? summed : map.size();
    const Init init{Initial::normal, 1 / std::sqrt(static_cast<double>(inputs))};
    list.push_back({weight_name(map, prefix), weight_dims(spec, map), Role::map, init, true});
  }
  return list;
}

template <class T>
Layer<T>::Layer(const Build<T>& build, std::int64_t channels, const std::string& prefix,
                std::int64_t single_out)
    : chained_(build.spec.combine != Combine::parallel) {
  const Nodes nodes = build.sharding.local(build.sharding.home(), channels);
  for (const DenseMap& map : layer_maps(build.spec, nodes, single_out))
    maps_.emplace_back(map, build.params.at(weight_name(map, prefix)), build.backend);
  for (size_t i = 0; chained_ && i + 1 < maps_.size(); ++i)
    kept_.push_back(build.arena.take(maps_[i].output().elements(), "outputs within a layer"));
}

template <class T>
std::int64_t Layer<T>::kept_bytes() const {
  const auto count = static_cast<std::int64_t>(kept_.size());
  return count * input().elements() * static_cast<std::int64_t>(sizeof(T));
}

template <class T>
void Layer<T>::forward(const T* x, T* y) {
  if (!chained_) {
    for (size_t i = 0; i < maps_.size(); ++i) maps_[i].forward(x, y, i > 0);
    return;
  }
  for (size_t i = 0; i < maps_.size(); ++i)
    maps_[i].forward(i == 0 ? x : kept_[i - 1], i < kept_.size() ? kept_[i] : y, false);
}

template <class T>
void Layer<T>::backward(const T* x, const T* dy, T* dx) {
  if (!chained_) {
    for (size_t i = 0; i < maps_.size(); ++i) maps_[i].backward(x, dy, dx, i > 0);
    return;
  }
  for (size_t i = maps_.size(); i-- > 0;) {
    const T* gradient = i < kept_.size() ? kept_[i] : dy;
    // In place: DenseAxisMap reads its input for
    // the weights before it writes that input's gradient.
    if (i == 0) maps_[i].backward(x, gradient, dx, false);
    if (i > 0) maps_[i].backward(kept_[i - 1], gradient, kept_[i - 1], false);
  }
}

template class Layer<float>;
template class Layer<double>;

}  // namespace ortho
