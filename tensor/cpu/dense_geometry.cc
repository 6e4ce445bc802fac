#include "tensor/cpu/dense_geometry.h"

#include <utility>

#include "core/error.h"

namespace ortho {
namespace {

Shape part(const Shape& shape, size_t from, size_t to) {
  return {shape.begin() + static_cast<std::ptrdiff_t>(from),
          shape.begin() + static_cast<std::ptrdiff_t>(to)};
}

// Groups of channels along a token axis are lines, which repeat over the tokens inside the axis, a
// gate's halves and, with the channels innermost, the windows.
void group_token_axis(const DenseMap& map, std::int64_t inner, DenseGeometry& g) {
  const bool halves = map.in_halves && map.weights != Weights::per_channel;
  const std::int64_t slice = map.channels / (map.slices() * (halves ? 2 : 1));
  g.lines = map.slices();
  g.run = map.order == Order::batch_inner ? slice * map.batch : slice;
  g.repeats = inner * map.channels * map.batch / (g.lines * g.run);
  g.in.line = g.out.line = g.run;
  g.in.repeat = g.out.repeat = g.lines * g.run;
  g.w_line = elements(weight_shape(map)) / g.lines;
}

// Groups along the channel axis itself, one half of the input to one of the output.
DenseGeometry group_channel_axis(const DenseMap& map, DenseGeometry g, int in_half, int out_half) {
  const bool inner = map.order == Order::channels_inner;
  g.outer = elements(map.tokens);
  g.repeats = inner ? map.batch : 1;
  g.lines = map.groups;
  g.run = g.row = inner ? 1 : map.batch;
  const std::int64_t ends[] = {map.channels, map.out};
  const int parts[] = {halves(map).in, halves(map).out}, half[] = {in_half, out_half};
  Side* const sides[] = {&g.in, &g.out};
  for (const int i : {0, 1}) {
    const std::int64_t part = ends[i] / parts[i];
    *sides[i] = {part / g.lines, ends[i] * map.batch, part / g.lines * g.row, inner ? ends[i] : 0,
                 half[i] * part * g.row};
  }
  g.w_row = map.out / g.lines;
  g.columns = g.w_row;
  g.w_line = g.in.rows * g.w_row;
  g.w_outer = map.weights == Weights::separate ? map.channels * g.w_row : 0;
  g.w_at = in_half * (map.channels / halves(map).in) * g.w_row + out_half * g.out.rows;
  return g;
}

}  // namespace

Halves halves(const DenseMap& map) {
  if (!map.on_channels() || map.groups <= 1) return {};
  return {map.in_halves ? 2 : 1, map.out_halves ? 2 : 1};
}

DenseGeometry dense_geometry(const DenseMap& map, int in_half, int out_half) {
  weight_shape(map);  // checks
  const auto axis = static_cast<size_t>(map.axis);
  const bool token = !map.on_channels();
  const bool separate = map.weights == Weights::separate;
  DenseGeometry g{};
  const std::int64_t size = map.size();
  g.wiring = map.effective_wiring();
  g.weights = map.weights;
  g.reach = map.reach();
  g.self = map.self;
  if (!token && map.groups > 1) return group_channel_axis(map, g, in_half, out_half);
  ASSERT(token || map.order == Order::batch_inner, "the channels do not lie in runs");
  g.columns = map.causal() ? g.reach + 1 : map.out;
  g.strided_channels = separate && token && map.order == Order::channels_inner;
  g.outer = elements(part(map.tokens, 0, axis));
  const std::int64_t inner = token ? elements(part(map.tokens, axis + 1, map.tokens.size())) : 1;
  const std::int64_t channels = token ? map.channels : 1;
  const std::int64_t weight_lines = separate ? inner * channels : 1;
  g.repeats = 1;
  g.lines = g.strided_channels ? inner : weight_lines;
  g.run = inner * channels * map.batch / g.lines;
  g.row = g.lines * g.run;
  g.in = {size, size * g.row, g.run};
  g.out = {map.out, map.out * g.row, g.run};
  g.w_row = weight_lines * g.columns;
  g.w_line = separate ? weight_lines / g.lines * g.columns : 0;
  g.w_outer = separate ? size * g.w_row : 0;
  if (map.causal() && map.weights != Weights::separate && map.weights != Weights::by_position)
    g.w_row = 0;
  if (separate && g.lines == 1 && !map.causal()) {
    std::swap(g.outer, g.lines);
    g.in.line = g.in.outer;
    g.out.line = g.out.outer;
    g.w_line = g.w_outer;
  }
  if (!separate && map.slices() > 1) group_token_axis(map, inner, g);
  return g;
}

namespace {

// The band `taps`, without the diagonal k = j where a node does not receive from itself.
TapBands without_self(const DenseGeometry& g, const Taps& taps) {
  if (g.self) return {{taps, {}}, 1};
  TapBands bands{{taps, taps}, 2};
  Band &before = bands.taps[0].band, &behind = bands.taps[1].band;
  before.hi_at = 0;
  before.hi_slope = 1;
  behind.lo_at = 1;
  behind.lo_slope = 1;
  return bands;
}

// |j - k| <= reach, of `rows` rows.
Band window(std::int64_t reach, std::int64_t rows) { return {-reach, 1, reach + 1, 1, 0, rows}; }

bool is_cut(const DenseGeometry& g) { return g.reach + 1 < g.in.rows; }

}  // namespace

TapBands forward_taps(const DenseGeometry& g, std::int64_t outer) {
  const std::int64_t rows = g.in.rows, own = g.self ? 1 : 0;
  Taps taps{{0, 0, rows, 0, 0, rows}, 1, g.w_row};
  switch (g.wiring) {
    case Wiring::grid:
      if (is_cut(g)) taps.band = window(g.reach, rows);
      return without_self(g, taps);
    case Wiring::grid_causal:
      taps.band = {is_cut(g) ? -g.reach : 0, is_cut(g) ? 1 : 0, own, 1, 0, rows};
      return {{taps, {}}, 1};
    case Wiring::causal:
    case Wiring::mirrored:  // refused before
      break;
  }
  return {{{{-g.reach, 1, own, 1, -outer * rows, rows}, g.w_row + 1, -1}, {}}, 1};
}

TapBands backward_taps(const DenseGeometry& g, std::int64_t outer) {
  const std::int64_t rows = g.out.rows, own = g.self ? 0 : 1;
  Taps taps{{0, 0, rows, 0, 0, rows}, g.w_row, 1};
  switch (g.wiring) {
    case Wiring::grid:
      if (is_cut(g)) taps.band = window(g.reach, rows);
      return without_self(g, taps);
    case Wiring::grid_causal:
      taps.band = {own, 1, is_cut(g) ? g.reach + 1 : rows, is_cut(g) ? 1 : 0, 0, rows};
      return {{taps, {}}, 1};
    case Wiring::causal:
    case Wiring::mirrored:  // refused before
      break;
  }
  // Weights by position of a token's receivers in the next line come apart.
  const bool by_position = g.weights == Weights::by_position;
  const std::int64_t lines = by_position ? 1 : g.outer - outer;
  const Taps own_taps{{own, 1, g.reach + 1, 1, 0, lines * rows}, -1, g.w_row + 1};
  const Taps next{{0, 0, g.reach + 1 - rows, 1, 0, rows}, -1, g.w_row + 1, rows, 1};
  return {{own_taps, next}, by_position && outer + 1 < g.outer ? 2 : 1};
}

}  // namespace ortho
