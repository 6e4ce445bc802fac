// The kernel of the dense map, forward and back to dx: y[a][e] = sum over b of W(b, a) * x[b][e].
//
// A thread keeps kOuts outputs of kLanes neighbouring lanes, which share their weights, and walks
// the inputs in rising order: each output is one chain of multiply-adds, whatever the tile. A warp
// is 32 threads side by side along the lanes, so weights are read once a warp and inputs whole
// lines at a time; the warps of a block take neighbouring outputs of the same lanes.
#pragma once

#include <launch.h>

#include "tensor/cuda/dense_task.h"
#include "tensor/cuda/pack.h"

namespace ortho {

// Which neighbours of W are side by side and aligned, so that four come with one load.
enum class Near { none, outputs, inputs };

constexpr unsigned kRowsThreads = 128;

template <class T>
struct DenseRows {
  DenseTask task;      // in: what is read, x; out: what is written, y
  Divisor lane_steps;  // threads along the lanes of one outer position and group
  Divisor groups;
  std::uint32_t threads = 0, tiles = 0;  // along lanes, groups and outer; of outputs
  const T *x, *w;
  T* y;
  bool add;
};

// One thread's tile.
template <class T, int kLanes, int kOuts, Near kNear>
struct RowsTile {
  const DenseTask& task;
  const T *x, *w;      // at the lane; W's at its first element for it
  std::int32_t first;  // output
  T sum[kOuts][kLanes] = {};

  __device__ std::int32_t rows_in() const { return static_cast<std::int32_t>(task.in.rows); }
  __device__ std::int32_t rows_out() const { return static_cast<std::int32_t>(task.out.rows); }
  // The output a tile's place stands for; those beyond the last compute it again, for nobody.
  __device__ std::int32_t output(int place) const {
    const std::int32_t out = first + place;
    return out < rows_out() ? out : rows_out() - 1;
  }
  __device__ Pack<T, kLanes> input(std::int32_t in) const {
    return load_pack<kLanes>(x + std::int64_t{in} * task.lanes);
  }
  // By position the receiving token counts: the output, or back to dx (w_out < 0) the input.
  __device__ T weight(std::int32_t out, std::int32_t in) const {
    std::int64_t at = out * task.w_out + in * task.w_in;
    if (task.w_fold != 0) {
      const std::int32_t receiver = task.w_out < 0 ? in : out;
      at -= std::int64_t{task.period.quotient(static_cast<std::uint32_t>(receiver))} * task.w_fold;
    }
    return w[at];
  }
  __device__ void add(int place, T factor, const Pack<T, kLanes>& in) {
    for (int v = 0; v < kLanes; ++v) sum[place][v] += factor * in.at[v];
  }

  // Inputs that only some outputs of the tile take; what is not taken is not read.
  __device__ void add_some(std::int32_t from, std::int32_t to) {
    for (std::int32_t in = from; in < to; ++in) {
      const Pack<T, kLanes> values = input(in);
#pragma unroll
      for (int place = 0; place < kOuts; ++place) {
        const std::int32_t out = first + place;
        if (out < rows_out() && task.band.has(out, in)) add(place, weight(out, in), values);
      }
    }
  }

  __device__ void add_one_by_one(std::int32_t from, std::int32_t to) {
    for (std::int32_t in = from; in < to; ++in) {
      const Pack<T, kLanes> values = input(in);
#pragma unroll
      for (int place = 0; place < kOuts; ++place) add(place, weight(output(place), in), values);
    }
  }

  // Four outputs' weights in one load; their number is a multiple of four.
  __device__ void add_near_outputs(std::int32_t from, std::int32_t to) {
    for (std::int32_t in = from; in < to; ++in) {
      const Pack<T, kLanes> values = input(in);
#pragma unroll
      for (int place = 0; place < kOuts; place += 4) {
        const std::int32_t out = first + place < rows_out() ? first + place : rows_out() - 4;
        const Pack<T, 4> four = load_pack<4>(w + out + in * task.w_in);
        for (int n = 0; n < 4; ++n) add(place + n, four.at[n], values);
      }
    }
  }

  // Four inputs' weights in one load; `from` and the number are multiples of four.
  __device__ void add_near_inputs(std::int32_t from, std::int32_t to) {
    for (std::int32_t in = from; in < to; in += 4) {
      const Pack<T, kLanes> values[4] = {input(in), input(in + 1), input(in + 2), input(in + 3)};
#pragma unroll
      for (int place = 0; place < kOuts; ++place) {
        const Pack<T, 4> four = load_pack<4>(w + output(place) * task.w_out + in);
        for (int n = 0; n < 4; ++n) add(place, four.at[n], values[n]);
      }
    }
  }

  __device__ void add_all(std::int32_t from, std::int32_t to) {
    if constexpr (kNear == Near::outputs) {
      add_near_outputs(from, to);
    } else if constexpr (kNear == Near::inputs) {
      const std::int32_t start = (from + 3) / 4 * 4, end = start + (to - start) / 4 * 4;
      if (start >= end) return add_one_by_one(from, to);
      add_one_by_one(from, start);
      add_near_inputs(start, end);
      add_one_by_one(end, to);
    } else {
      add_one_by_one(from, to);
    }
  }
};

template <class T, int kLanes, int kOuts, Near kNear>
__global__ void __launch_bounds__(kRowsThreads, 2) dense_rows_kernel(DenseRows<T> rows) {
  const DenseTask& task = rows.task;
  const std::uint32_t n = blockIdx.x * blockDim.x + threadIdx.x;
  const std::uint32_t tile = blockIdx.y * blockDim.y + threadIdx.y;
  if (n >= rows.threads || tile >= rows.tiles) return;
  const std::uint32_t place = rows.lane_steps.quotient(n);
  const std::uint32_t lane = (n - place * rows.lane_steps.by()) * kLanes;
  const std::uint32_t o = rows.groups.quotient(place), group = place - o * rows.groups.by();
  RowsTile<T, kLanes, kOuts, kNear> mine{
      task, rows.x + task.in.at + o * task.in.outer + group * task.in.group + lane,
      rows.w + task.w_place(o, group) + task.w_lane(lane), static_cast<std::int32_t>(tile * kOuts)};
  T* const y = rows.y + task.out.at + o * task.out.outer + group * task.out.group + lane;
  const std::int32_t first = mine.first, last = mine.output(kOuts - 1);
  // Any output's inputs lie in [lo, hi); all of them take those in [from, to).
  const auto within = [&](std::int32_t row) {
    return row < 0 ? 0 : row > mine.rows_in() ? mine.rows_in() : row;
  };
  const std::int32_t lo = within(first - task.band.behind), hi = within(last + task.band.ahead + 1);
  const std::int32_t from = task.band.self ? within(last - task.band.behind) : hi;
  const std::int32_t end = within(first + task.band.ahead + 1), to = end < from ? from : end;
  mine.add_some(lo, from);
  mine.add_all(from, to);
  mine.add_some(to, hi);
  for (int out = 0; out < kOuts; ++out) {
    if (first + out >= mine.rows_out()) return;
    T* const at = y + std::int64_t{first + out} * task.lanes;
    Pack<T, kLanes> result;
    if (rows.add) result = load_pack<kLanes>(at);
    for (int v = 0; v < kLanes; ++v)
      result.at[v] = rows.add ? result.at[v] + mine.sum[out][v] : mine.sum[out][v];
    store_pack<kLanes>(result, at);
  }
}

}  // namespace ortho
