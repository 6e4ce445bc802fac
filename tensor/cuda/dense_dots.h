// Gradients of weights that lie apart for each line: dw(line)[k][j] += sum over the line's windows
// of x[k] * dy[j]. Every weight is written once, by one thread.
#pragma once

#include <launch.h>

#include "tensor/cuda/dense_task.h"
#include "tensor/cuda/pack.h"

namespace ortho {

constexpr unsigned kDotsThreads = 256;
constexpr std::uint32_t kSquare = 4;  // a thread's weights: 4 inputs by 4 outputs

// ---- the windows of a line side by side ----

template <class T>
struct LineDots {
  DenseTask task;
  std::uint32_t run;                           // windows of a line
  std::uint32_t count = 0;                     // tiles in all
  Divisor lines, in_tiles, out_tiles, groups;  // a tile: (o, group, out tile, in tile, line)
  const T *x, *dy;
  T* dw;
};

// Threads of a line's tile, each way; windows that are staged at once.
template <int kSide>
constexpr std::uint32_t kTileRows = kSide* kSquare;
template <int kSide>
constexpr std::uint32_t kStage = kSide == 1 ? 4 : 8;

// One row's windows from `first` on into shared memory, transposed; 0 where there are none.
template <class T, int kSide>
__device__ void stage_row(const T* row, bool exists, std::uint32_t first, std::uint32_t run,
                          T* to) {
  for (std::uint32_t n = 0; n < kStage<kSide>; ++n)
    to[n * kTileRows<kSide>] = exists && first + n < run ? row[first + n] : T(0);
}

// A tile's kSide x kSide threads are neighbours in a warp, so a warp's barrier is enough.
template <class T, int kSide>
__global__ void __launch_bounds__(kDotsThreads) line_dots_kernel(LineDots<T> dots) {
  constexpr std::uint32_t kTeam = kSide * kSide, kRows = kTileRows<kSide>, kRun = kStage<kSide>;
  const DenseTask& task = dots.task;
  const std::uint32_t mine = threadIdx.x % kTeam, team = threadIdx.x / kTeam;
  const std::uint32_t n = blockIdx.x * (kDotsThreads / kTeam) + team;
  const std::uint32_t tile = n < dots.count ? n : dots.count - 1;  // some work twice, unwritten
  const std::uint32_t above = dots.lines.quotient(tile), line = dots.lines.rest(tile);
  const std::uint32_t higher = dots.in_tiles.quotient(above), in_tile = dots.in_tiles.rest(above);
  const std::uint32_t place = dots.out_tiles.quotient(higher);
  const std::uint32_t o = dots.groups.quotient(place), group = dots.groups.rest(place);
  const auto first_out = static_cast<std::int32_t>(dots.out_tiles.rest(higher) * kRows);
  // Of a band that is narrower than the axis only the tiles around it.
  const std::int32_t lowest = first_out - task.band.behind;
  const std::int32_t first_in =
      (lowest < 0 ? 0 : lowest) + static_cast<std::int32_t>(in_tile * kRows);
  const T* const x = dots.x + task.in.at + o * task.in.outer + group * task.in.group +
                     std::int64_t{line} * dots.run;
  const T* const dy = dots.dy + task.out.at + o * task.out.outer + group * task.out.group +
                      std::int64_t{line} * dots.run;
  T* const u = shared_memory<T>() + std::size_t{team} * 2 * kRows * kRun;  // [kRun][kRows]
  T* const v = u + kRows * kRun;
  const std::uint32_t k = mine / kSide * kSquare, j = mine % kSide * kSquare;
  T sum[kSquare][kSquare] = {};
  for (std::uint32_t first = 0; first < dots.run; first += kRun) {
    for (std::uint32_t row = mine; row < kRows; row += kTeam) {
      const auto in = first_in + static_cast<std::int32_t>(row),
                 out = first_out + static_cast<std::int32_t>(row);
      const bool has_in = in < static_cast<std::int32_t>(task.in.rows),
                 has_out = out < static_cast<std::int32_t>(task.out.rows);
      stage_row<T, kSide>(x + std::int64_t{in} * task.lanes, has_in, first, dots.run, u + row);
      stage_row<T, kSide>(dy + std::int64_t{out} * task.lanes, has_out, first, dots.run, v + row);
    }
    __syncwarp();
#pragma unroll
    for (std::uint32_t r = 0; r < kRun; ++r) {
      const Pack<T, kSquare> a = load_pack<kSquare>(u + r * kRows + k),
                             b = load_pack<kSquare>(v + r * kRows + j);
      for (std::uint32_t i = 0; i < kSquare; ++i)
        for (std::uint32_t c = 0; c < kSquare; ++c) sum[i][c] += a.at[i] * b.at[c];
    }
    __syncwarp();
  }
  if (n >= dots.count) return;
  T* const dw = dots.dw + task.w_place(o, group) + task.w_lane(line * dots.run);
#pragma unroll
  for (std::uint32_t i = 0; i < kSquare; ++i)
    for (std::uint32_t c = 0; c < kSquare; ++c) {
      const std::int32_t in = first_in + static_cast<std::int32_t>(k + i),
                         out = first_out + static_cast<std::int32_t>(j + c);
      if (in < static_cast<std::int32_t>(task.in.rows) &&
          out < static_cast<std::int32_t>(task.out.rows) && task.band.has(out, in))
        dw[in * task.w_in + out * task.w_out] += sum[i][c];
    }
}

// ---- the windows of a line apart: the channels lie inside ----

// A thread: one line, one input, kSquare outputs. Neighbours are lines whose channels are.
template <class T>
struct WindowDots {
  DenseTask task;
  std::uint32_t windows;
  std::int64_t x_step, y_step;                      // between a line's windows
  std::int64_t x_place, y_place, x_inner, y_inner;  // between places; between inner coordinates
  Divisor channels, inner, out_tiles, rows_in,
      groups;  // (place, group, in, out tile, inner, channel)
  const T *x, *dy;
  T* dw;

  __device__ void operator()(std::uint32_t n) const {
    const std::uint32_t channel = channels.rest(n);
    n = channels.quotient(n);
    const std::uint32_t i = inner.rest(n);
    n = inner.quotient(n);
    const auto first = static_cast<std::int32_t>(out_tiles.rest(n) * kSquare);
    n = out_tiles.quotient(n);
    const auto in = static_cast<std::int32_t>(rows_in.rest(n));
    n = rows_in.quotient(n);
    const std::uint32_t group = groups.rest(n), place = groups.quotient(n);
    const T* u = x + task.in.at + place * x_place + group * task.in.group + i * x_inner + channel +
                 std::int64_t{in} * task.lanes;
    const T* v = dy + task.out.at + place * y_place + group * task.out.group + i * y_inner +
                 channel + std::int64_t{first} * task.lanes;
    const std::int32_t left = static_cast<std::int32_t>(task.out.rows) - first;
    const std::int32_t outs = left < static_cast<std::int32_t>(kSquare) ? left : kSquare;
    T sum[kSquare] = {};
    for (std::uint32_t b = 0; b < windows; ++b, u += x_step, v += y_step) {
#pragma unroll
      for (std::int32_t c = 0; c < static_cast<std::int32_t>(kSquare); ++c)
        if (c < outs) sum[c] += *u * v[std::int64_t{c} * task.lanes];
    }
    T* const to = dw + task.w_at + place * task.w_outer + group * task.w_group + i * task.w_inner +
                  channel * task.w_slice;
#pragma unroll
    for (std::int32_t c = 0; c < static_cast<std::int32_t>(kSquare); ++c)
      if (c < outs && task.band.has(first + c, in))
        to[in * task.w_in + (first + c) * task.w_out] += sum[c];
  }
};

}  // namespace ortho
