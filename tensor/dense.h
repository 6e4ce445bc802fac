// DenseMap: the geometry of the paper's dense map along one axis of the node grid.
//
//   y[.., j, ..] = sum over k of W[..][k][j] * x[.., k, ..]     (docs/layer.md, section 2)
//
// grid_causal uses k <= j only; what lies above is never read and gets no gradient. In causal
// wiring token t receives from t - d * stride, whatever row that falls in; before the start there
// is nothing. The channel axis is always mapped as a grid.
#pragma once

#include <cstdint>

#include "tensor/nodes.h"
#include "tensor/shape.h"

namespace ortho {

// Weight arrays, row-major, k on the mapped axis and j last:
//
//   wiring            shared      by_position           separate
//   grid, grid_causal [s][out]    -                     [s_1]…[s_n][C][out]   (axis_i.npy)
//   causal            [s] by d    [s (coordinate)][s]   [s_1]…[s_n][C][s]     by d
enum class Weights { shared, separate, by_position };
enum class Wiring { grid, causal, grid_causal };

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

  std::int64_t size() const;  // of the mapped axis in the input
  bool on_channels() const { return axis == static_cast<int>(tokens.size()); }
  Wiring effective_wiring() const;  // grid on the channel axis
  bool causal() const { return effective_wiring() == Wiring::causal; }
};

// As in the table above; checks the combination, Error(usage).
Shape weight_shape(const DenseMap& map);
Nodes input_nodes(const DenseMap& map);
Nodes output_nodes(const DenseMap& map);

}  // namespace ortho
