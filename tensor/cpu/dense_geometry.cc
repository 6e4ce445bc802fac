#include "tensor/cpu/dense_geometry.h"

#include <utility>

#include "core/error.h"

namespace ortho {
namespace {

Shape part(const Shape& shape, size_t from, size_t to) {
  return {shape.begin() + static_cast<std::ptrdiff_t>(from),
          shape.begin() + static_cast<std::ptrdiff_t>(to)};
}

}  // namespace

DenseGeometry dense_geometry(const DenseMap& map) {
  weight_shape(map);  // checks
  const auto axis = static_cast<size_t>(map.axis);
  const bool token = !map.on_channels();
  ASSERT(token || map.order == Order::batch_inner, "the channels do not lie in runs");
  const bool separate = map.weights == Weights::separate;
  DenseGeometry g{};
  const std::int64_t size = map.size();
  g.wiring = map.effective_wiring();
  g.weights = map.weights;
  g.columns = map.causal() ? size : map.out;
  g.strided_channels = separate && token && map.order == Order::channels_inner;
  g.outer = elements(part(map.tokens, 0, axis));
  const std::int64_t inner = token ? elements(part(map.tokens, axis + 1, map.tokens.size())) : 1;
  const std::int64_t channels = token ? map.channels : 1;
  const std::int64_t weight_lines = separate ? inner * channels : 1;
  g.lines = g.strided_channels ? inner : weight_lines;
  g.run = inner * channels * map.batch / g.lines;
  g.row = g.lines * g.run;
  g.in = {size, size * g.row, g.run};
  g.out = {map.out, map.out * g.row, g.run};
  g.w_row = weight_lines * g.columns;
  g.w_line = separate ? weight_lines / g.lines * g.columns : 0;
  g.w_outer = separate ? size * g.w_row : 0;
  if (map.causal() && map.weights == Weights::shared) g.w_row = 0;
  if (separate && g.lines == 1 && !map.causal()) {
    std::swap(g.outer, g.lines);
    g.in.line = g.in.outer;
    g.out.line = g.out.outer;
    g.w_line = g.w_outer;
  }
  return g;
}

Taps forward_taps(const DenseGeometry& g, std::int64_t outer) {
  switch (g.wiring) {
    case Wiring::grid:
      return {{0, 0, g.in.rows, 0, 0, g.in.rows}, 1, g.w_row};
    case Wiring::grid_causal:
      return {{0, 0, 1, 1, 0, g.in.rows}, 1, g.w_row};
    case Wiring::causal:
    case Wiring::mirrored:  // refused before
      break;
  }
  return {{1 - g.in.rows, 1, 1, 1, -outer * g.in.rows, g.in.rows}, g.w_row + 1, -1};
}

Taps backward_taps(const DenseGeometry& g, std::int64_t outer) {
  switch (g.wiring) {
    case Wiring::grid:
      return {{0, 0, g.out.rows, 0, 0, g.out.rows}, g.w_row, 1};
    case Wiring::grid_causal:
      return {{0, 1, g.out.rows, 0, 0, g.out.rows}, g.w_row, 1};
    case Wiring::causal:
    case Wiring::mirrored:  // refused before
      break;
  }
  const std::int64_t lines = g.weights == Weights::by_position ? 1 : g.outer - outer;
  return {{0, 1, g.in.rows, 1, 0, lines * g.in.rows}, -1, g.w_row + 1};
}

bool reaches_next_line(const DenseGeometry& g, std::int64_t outer) {
  return g.wiring == Wiring::causal && g.weights == Weights::by_position && outer + 1 < g.outer;
}

Taps next_line_taps(const DenseGeometry& g) {
  return {{0, 0, 0, 1, 0, g.in.rows}, -1, g.w_row + 1, g.in.rows, 1};
}

}  // namespace ortho
