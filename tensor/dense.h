// DenseMap: the geometry of the paper's dense map along one axis of the node grid.
//
//   y[.., j, ..] = sum over k of W[..][k][j] * x[.., k, ..]     (docs/layer.md, section 2)
//
// grid_causal uses k <= j only; what lies above, outside the radius or on the diagonal without self
// is never read and gets no gradient. In causal wiring token t receives from t - d * stride, whatever
// row that falls in; before the start there is nothing. The channel axis is always a grid. mirrored
// wiring is for joint maps alone (model/joint_map.h).
#pragma once

#include <cstdint>

#include "tensor/nodes.h"
#include "tensor/shape.h"

namespace ortho {

// Weight arrays, row-major, k on the mapped axis and j last; r = min(radius, s - 1):
//
//   wiring   shared        by_position              per_channel       separate
//   grid …   [s][out]      -                        [C][s][out]       [s_1]…[s_n][C][out] (axis_i.npy)
//   causal   [r+1] by d    [s (coordinate)][r+1]    [C][r+1] by d     [s_1]…[s_n][C][r+1] by d
//
// `tied` is shared, by all axes of a layer that have the same array (model/layer.h). With groups an
// array shared or by position has [groups] before it. On the channel axis a row k holds its own
// group's outputs only: [C][out / groups], or [s_1]…[s_n][C][out / groups].
enum class Weights { shared, separate, by_position, per_channel, tied };
enum class Wiring { grid, causal, grid_causal, mirrored };

// Whether weights go by the offset d and taps carry over into rows of the axes outside.
inline bool carries(Wiring wiring) {
  return wiring == Wiring::causal || wiring == Wiring::mirrored;
}

struct DenseMap {
  Shape tokens;               // token axes of the input, outermost first
  std::int64_t batch = 0;     // B
  std::int64_t channels = 0;  // C of the input
  Order order = Order::batch_inner;
  int axis = 0;  // index into tokens, or tokens.size(): the channel axis
  // Size of that axis in the output; differs from the input's only in grid wiring.
  std::int64_t out = 0;
  Weights weights = Weights::separate;
  Wiring wiring = Wiring::grid;
  // Groups of channels with weights of their own: equal slices of the channels, or with halves of
  // u's and of v's channels, which stand side by side. 0: one group, and the array has no [groups].
  std::int64_t groups = 0;
  bool in_halves = false, out_halves = false;
  std::int64_t radius = 0;  // of a token axis: only |j - k| <= radius, or d; 0: all
  bool self = true;         // whether a node receives from itself, k = j or d = 0

  std::int64_t size() const;  // of the mapped axis in the input
  bool on_channels() const { return axis == static_cast<int>(tokens.size()); }
  Wiring effective_wiring() const;  // grid on the channel axis
  bool causal() const { return effective_wiring() == Wiring::causal; }
  std::int64_t reach() const;   // the most |j - k| that is used
  std::int64_t slices() const;  // groups, at least 1; per_channel: of a token axis, C
};

// As in the table above; checks the combination, Error(usage).
Shape weight_shape(const DenseMap& map);
Nodes input_nodes(const DenseMap& map);
Nodes output_nodes(const DenseMap& map);

}  // namespace ortho
