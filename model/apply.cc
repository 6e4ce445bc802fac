#include "model/apply.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "tensor/backend.h"
#include "tensor/dense.h"

namespace ortho {
namespace {

// [batch][node] as in the file <-> batch innermost, which dense maps are fastest in.
template <class T>
std::vector<T> transposed(const std::vector<T>& x, std::int64_t rows) {
  std::vector<T> y(x.size());
  const auto height = static_cast<size_t>(rows), width = x.size() / height;
  for (size_t r = 0; r < height; ++r)
    for (size_t c = 0; c < width; ++c) y[c * height + r] = x[r * width + c];
  return y;
}

DenseMap map_of(const ApplyRule& rule, const Shape& axes, std::int64_t batch, int axis,
                const Shape& weight) {
  DenseMap map;
  map.tokens.assign(axes.begin(), axes.end() - 1);
  map.batch = batch;
  map.channels = axes.back();
  map.axis = axis;
  map.wiring = rule.wiring;
  map.weights = weight.size() == axes.size() + 1 ? Weights::separate : Weights::shared;
  if (weight.size() == 2 && axes.size() > 1 && map.causal()) map.weights = Weights::by_position;
  const bool resizes = rule.combine == Combine::single && !map.causal() && !weight.empty();
  map.out = resizes ? weight.back() : axes[static_cast<size_t>(axis)];
  const Shape needed = weight_shape(map);
  REQUIRE(weight == needed, "axis_", axis, " is ", shape_text(weight), ", the layer on ",
          shape_text(axes), " needs ", shape_text(needed), " (or one weight array for all lines)");
  return map;
}

void check_input(const ApplyRule& rule, const Shape& input) {
  REQUIRE(!rule.axes.empty(), "--axes names no axis");
  const bool fits = input.size() == rule.axes.size() + 1 && input[0] >= 1 &&
                    std::equal(rule.axes.begin(), rule.axes.end(), input.begin() + 1);
  REQUIRE(fits, "the input is ", shape_text(input), "; for axes ", shape_text(rule.axes),
          " it needs [batch, axes…]");
  for (const std::int64_t size : rule.axes) REQUIRE(size >= 1, "an axis of size ", size);
}

}  // namespace

std::vector<int> applied_axes(const ApplyRule& rule) {
  const auto count = static_cast<int>(rule.axes.size());
  if (rule.combine == Combine::single) {
    REQUIRE(rule.single >= -count && rule.single < count, "--axis ", rule.single, ": there are ",
            count, " axes");
    return {(rule.single + count) % count};
  }
  std::vector<int> axes(rule.axes.size());
  std::iota(axes.begin(), axes.end(), 0);
  if (rule.combine == Combine::sequential && rule.sequence == Sequence::descending)
    std::reverse(axes.begin(), axes.end());
  return axes;
}

template <class T>
ApplyArray<T> apply_layer(const ApplyRule& rule, const ApplyArray<T>& input,
                          const std::map<int, ApplyArray<T>>& weights) {
  check_input(rule, input.shape);
  const std::int64_t batch = input.shape[0];
  const auto backend = make_cpu_backend<T>(1);
  std::vector<T> x = transposed(input.values, batch), y;
  Shape axes = rule.axes;
  for (const int axis : applied_axes(rule)) {
    const ApplyArray<T>& weight = weights.at(axis);
    const DenseMap map = map_of(rule, axes, batch, axis, weight.shape);
    const bool first = y.empty();
    if (first) y.resize(static_cast<size_t>(output_nodes(map).elements()));
    const bool adds = rule.combine == Combine::parallel && !first;
    backend->dense(map, x.data(), weight.values.data(), y.data(), adds);
    if (rule.combine == Combine::sequential) std::swap(x, y);
    if (rule.combine == Combine::single) axes[static_cast<size_t>(axis)] = map.out;
  }
  if (rule.combine == Combine::sequential) std::swap(x, y);
  ApplyArray<T> output{{batch}, transposed(y, static_cast<std::int64_t>(y.size()) / batch)};
  output.shape.insert(output.shape.end(), axes.begin(), axes.end());
  return output;
}

template ApplyArray<float> apply_layer(const ApplyRule&, const ApplyArray<float>&,
                                       const std::map<int, ApplyArray<float>>&);
template ApplyArray<double> apply_layer(const ApplyRule&, const ApplyArray<double>&,
                                        const std::map<int, ApplyArray<double>>&);

}  // namespace ortho
