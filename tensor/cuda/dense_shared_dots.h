// Gradients of weights that many lanes share: long sums, cut into parts by the shape alone.
//
// A block sums one tile of weights over one part of the lanes and outer positions; a second kernel
// adds the parts in their order. Every thread walks lanes side by side with its warp's others.
#pragma once

#include <launch.h>

#include "tensor/cuda/dense_task.h"
#include "tensor/cuda/reduce.h"

namespace ortho {

constexpr unsigned kSharedDotsThreads = 128;

template <class T>
struct SharedDots {
  DenseTask task;
  // Lanes of a slice: outermost, halves, then a run side by side.
  Divisor per_outer, per_half, run;
  std::int64_t slice_step, half_step, outermost_step;
  std::uint32_t slices, positions;    // by position: a weight for each row of the axis
  std::uint32_t domain, part, parts;  // (row or outer position, lane) pairs; of one part; parts
  std::uint32_t in_tiles, out_tiles;
  std::int64_t position_step;  // elements of W between positions
  std::int64_t weights;        // of all parts' arrays
  const T *x, *dy;
  T* sums;  // [parts][weights]

  __device__ std::int64_t lane(std::uint32_t slice, std::uint32_t n) const {
    const std::uint32_t r = run.rest(n), above = run.quotient(n);
    return slice * slice_step + per_half.quotient(above) * outermost_step +
           per_half.rest(above) * half_step + r;
  }
};

// The tile's weights: kIn inputs by kOut outputs of a grid; kIn offsets d of causal wiring, kOut 1.
template <class T, int kIn, int kOut, bool kTaps>
struct SharedTile {
  const SharedDots<T>& dots;
  std::uint32_t slice, position;
  std::int32_t first_in, first_out;
  T sum[kIn * kOut] = {};

  __device__ void add(std::uint32_t n) {
    const DenseTask& t = dots.task;
    const std::uint32_t above = dots.per_outer.quotient(n);
    const std::int64_t lane = dots.lane(slice, dots.per_outer.rest(n));
    const std::uint32_t group = t.groups > 1 ? slice : 0;
    // Causal wiring: `above` counts the rows that receive with this position's weights.
    const auto row = static_cast<std::int32_t>(position + above * dots.positions);
    const std::int64_t o = kTaps ? 0 : above;
    const T* const x = dots.x + t.in.at + o * t.in.outer + group * t.in.group + lane;
    const T* const y = dots.dy + t.out.at + o * t.out.outer + group * t.out.group + lane;
    T out[kOut];
    for (int j = 0; j < kOut; ++j) {
      const std::int32_t at = kTaps ? row : first_out + j;
      out[j] = at < static_cast<std::int32_t>(t.out.rows) ? y[std::int64_t{at} * t.lanes] : T(0);
    }
    for (int i = 0; i < kIn; ++i) {
      const std::int32_t at = kTaps ? row - first_in - i : first_in + i;
      if (at < 0 || at >= static_cast<std::int32_t>(t.in.rows)) continue;
      const T in = x[std::int64_t{at} * t.lanes];
      for (int j = 0; j < kOut; ++j) sum[i * kOut + j] += in * out[j];
    }
  }
  // The place of weight number i of the tile in dw; -1 if there is none.
  __device__ std::int64_t place(int i) const {
    const DenseTask& t = dots.task;
    const std::int32_t in = first_in + i / kOut, out = first_out + i % kOut;
    const std::int64_t own = t.w_at + slice * (t.groups > 1 ? t.w_group : t.w_slice);
    if (kTaps) return t.band.has(in, 0) ? own + position * dots.position_step + in : -1;
    const bool exists = in < static_cast<std::int32_t>(t.in.rows) &&
                        out < static_cast<std::int32_t>(t.out.rows) && t.band.has(out, in);
    return exists ? own + in * t.w_in + out * t.w_out : -1;
  }
};

template <class T, int kIn, int kOut, bool kTaps>
__global__ void __launch_bounds__(kSharedDotsThreads) shared_dots_kernel(SharedDots<T> dots) {
  constexpr int kWeights = kIn * kOut;
  std::uint32_t n = blockIdx.x;
  const std::uint32_t in_tile = n % dots.in_tiles;
  n /= dots.in_tiles;
  const std::uint32_t out_tile = n % dots.out_tiles;
  n /= dots.out_tiles;
  const std::uint32_t position = n % dots.positions, slice = n / dots.positions;
  SharedTile<T, kIn, kOut, kTaps> tile{dots, slice, position,
                                       static_cast<std::int32_t>(in_tile * kIn),
                                       static_cast<std::int32_t>(out_tile * kOut)};
  const std::uint32_t first = blockIdx.y * dots.part;
  const std::uint32_t end = dots.domain - first < dots.part ? dots.domain : first + dots.part;
  for (std::uint32_t i = first + threadIdx.x; i < end; i += kSharedDotsThreads) tile.add(i);
  T* const room = shared_memory<T>();  // [warps][kWeights]
  const unsigned warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
#pragma unroll
  for (int i = 0; i < kWeights; ++i) {
    const T sum = warp_sum(tile.sum[i]);
    if (lane == 0) room[warp * kWeights + static_cast<unsigned>(i)] = sum;
  }
  __syncthreads();
  if (threadIdx.x >= kWeights) return;
  T sum = 0;
  for (unsigned w = 0; w < kSharedDotsThreads / kWarp; ++w) sum += room[w * kWeights + threadIdx.x];
  const std::int64_t place = tile.place(static_cast<int>(threadIdx.x));
  if (place >= 0) dots.sums[blockIdx.y * dots.weights + place] = sum;
}

}  // namespace ortho
