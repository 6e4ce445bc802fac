// A DenseMap as the GPU's kernels see it. Along any axis, in either order, a tensor is
//
//   x[outer][rows][lanes]     rows on the mapped axis, lanes what lies inside it, side by side
//
// and y[o][j][e] = sum over k of W(o, e, k, j) * x[o][k][e]. How W depends on the lane e: by its
// coordinates on the inner axes and its slice of the channels. Causal wiring, whose taps carry over
// into the rows of the axes outside, is one outer position with all rows of all of them.
#pragma once

#include "tensor/cuda/index.h"
#include "tensor/dense.h"

namespace ortho {

// One side, x or y.
struct DenseSide {
  std::uint32_t rows = 0;
  std::int64_t at = 0, outer = 0,
               group = 0;  // elements before all; between outer positions, groups
};

// An output row a takes the input rows b with -ahead <= a - b <= behind, b != a unless `self`.
struct DenseBand {
  std::int32_t ahead = 0, behind = 0;
  bool self = true;

  ORTHO_HD bool has(std::int32_t out, std::int32_t in) const {
    const std::int32_t apart = out - in;
    return -ahead <= apart && apart <= behind && (self || apart != 0);
  }
  DenseBand swapped() const { return {behind, ahead, self}; }
};

struct DenseTask {
  std::uint32_t outer = 1, groups = 1;  // groups of channels on the channel axis itself
  std::uint32_t lanes = 1;
  DenseSide in, out;
  DenseBand band;
  // W's first element for an outer position (`windows` of them share one), a group, and a lane.
  std::int64_t w_at = 0, w_outer = 0, w_group = 0, w_inner = 0, w_slice = 0;
  Divisor windows;
  Divisor inner_lanes, channel_lanes, channels, half, width;
  // W of a pair (k, j) is at k * w_in + j * w_out; by position less period.quotient(j) * w_fold.
  std::int64_t w_in = 0, w_out = 0, w_fold = 0;
  Divisor period;
  std::uint32_t same_lanes = 1;  // so many lanes from any multiple of it on share their weights

  // Elements of W before a lane's own.
  ORTHO_HD std::int64_t w_lane(std::uint32_t e) const {
    const std::uint32_t channel = channels.rest(channel_lanes.quotient(e));
    return std::int64_t{inner_lanes.quotient(e)} * w_inner +
           std::int64_t{width.quotient(half.rest(channel))} * w_slice;
  }
  ORTHO_HD std::int64_t w_place(std::uint32_t o, std::uint32_t group) const {
    return w_at + std::int64_t{windows.quotient(o)} * w_outer + group * w_group;
  }
};

// Groups along the channel axis with halves are a task for each pair of an input's and an output's.
int dense_in_halves(const DenseMap& map);
int dense_out_halves(const DenseMap& map);
DenseTask dense_task(const DenseMap& map, int in_half = 0, int out_half = 0);

// What library products can do: every output takes every input with one W for all lanes.
bool is_plain_product(const DenseMap& map);

}  // namespace ortho
