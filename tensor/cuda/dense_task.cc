#include "tensor/cuda/dense_task.h"

#include <algorithm>

#include "core/error.h"

namespace ortho {
namespace {

bool has_halves(const DenseMap& map, bool halves) {
  return map.on_channels() && map.groups > 1 && halves;
}

DenseBand band_of(const DenseMap& map, std::int64_t rows) {
  const auto limit = static_cast<std::int32_t>(index32(rows));
  const auto reach = static_cast<std::int32_t>(index32(map.reach()));
  const bool cut = map.radius > 0;
  const bool forwards = map.effective_wiring() != Wiring::grid;
  return {forwards ? 0 : cut ? reach : limit, forwards || cut ? reach : limit, map.self};
}

// How lanes share weights on a token axis; `share` is the size of one slice's weights.
void set_slices(const DenseMap& map, std::int64_t share, DenseTask& task) {
  const bool each = map.weights == Weights::per_channel;
  const std::int64_t slices = map.slices();
  if (slices == 1) return;
  const std::int64_t half = map.in_halves && !each ? map.channels / 2 : map.channels;
  task.half = Divisor(half);
  task.width = Divisor(half / slices);
  task.w_slice = share;
}

DenseTask token_task(const DenseMap& map) {
  const bool separate = map.weights == Weights::separate;
  const auto axis = static_cast<std::ptrdiff_t>(map.axis);
  const Shape before(map.tokens.begin(), map.tokens.begin() + axis);
  const std::int64_t inner = strides(map.tokens)[static_cast<size_t>(axis)];
  const std::int64_t outer = elements(before), lanes = inner * map.channels * map.batch;
  const bool carries_over = map.causal();
  const std::int64_t columns = carries_over ? map.reach() + 1 : map.out;
  const std::int64_t folded = carries_over ? outer : 1;
  DenseTask task;
  task.outer = index32(outer / folded);
  task.lanes = index32(lanes);
  task.in = {index32(map.size() * folded), 0, map.size() * lanes, 0};
  task.out = {index32(map.out * folded), 0, map.out * lanes, 0};
  task.band = band_of(map, std::max(task.in.rows, task.out.rows));
  const bool inside = map.order == Order::channels_inner;
  task.inner_lanes = Divisor(map.channels * map.batch);
  task.channel_lanes = Divisor(inside ? 1 : map.batch);
  task.channels = Divisor(map.channels);
  task.half = task.width = Divisor(map.channels);
  std::int64_t row = map.causal() ? 0 : columns;  // elements between rows of W
  if (map.weights == Weights::by_position) row = columns;
  if (separate) {
    row = inner * map.channels * columns;
    task.w_outer = map.size() * row;
    task.w_inner = map.channels * columns;
    task.w_slice = columns;
    task.width = Divisor(1);
  } else {
    set_slices(map, elements(weight_shape(map)) / map.slices(), task);
  }
  task.w_in = carries_over ? -1 : row;
  task.w_out = carries_over ? row + 1 : 1;
  if (map.weights == Weights::by_position) {
    task.period = Divisor(map.size());
    task.w_fold = map.size() * row;
  }
  const bool one_weight = task.w_slice == 0;
  task.same_lanes = one_weight ? task.lanes : inside ? task.width.by() : index32(map.batch);
  return task;
}

DenseTask channel_task(const DenseMap& map, int in_half, int out_half) {
  const bool inside = map.order == Order::channels_inner;
  const std::int64_t lanes = inside ? 1 : map.batch, groups = map.slices();
  const std::int64_t in = map.channels / dense_in_halves(map),
                     out = map.out / dense_out_halves(map);
  const std::int64_t columns = map.out / groups;
  DenseTask task;
  task.outer = index32(elements(map.tokens) * (inside ? map.batch : 1));
  task.groups = index32(groups);
  task.lanes = task.same_lanes = index32(lanes);
  task.in = {index32(in / groups), in_half * in * lanes, map.channels * lanes, in / groups * lanes};
  task.out = {index32(out / groups), out_half * out * lanes, map.out * lanes, out / groups * lanes};
  task.band = band_of(map, std::max(task.in.rows, task.out.rows));
  task.windows = Divisor(inside ? map.batch : 1);
  task.inner_lanes = Divisor(lanes);
  task.w_at = in_half * in * columns + out_half * (out / groups);
  task.w_outer = map.weights == Weights::separate ? map.channels * columns : 0;
  task.w_group = in / groups * columns;
  task.w_in = columns;
  task.w_out = 1;
  return task;
}

}  // namespace

int dense_in_halves(const DenseMap& map) { return has_halves(map, map.in_halves) ? 2 : 1; }
int dense_out_halves(const DenseMap& map) { return has_halves(map, map.out_halves) ? 2 : 1; }

DenseTask dense_task(const DenseMap& map, int in_half, int out_half) {
  weight_shape(map);  // checks
  return map.on_channels() ? channel_task(map, in_half, out_half) : token_task(map);
}

bool is_plain_product(const DenseMap& map) {
  return map.effective_wiring() == Wiring::grid && map.radius == 0 && map.self &&
         map.slices() == 1 && map.weights != Weights::separate;
}

}  // namespace ortho
