// DenseMap: the geometry of the paper's dense map along one axis of the node grid.
//
//   y[.., j, ..] = sum over k of W[..][k][j] * x[.., k, ..]     (docs/layer.md, section 2)
//
// Weight arrays, row-major, k on the mapped axis and j last:
//   grid, grid_causal   shared [s][out]      separate [s_1]…[s_n][C][out]   (the paper's
//   axis_i.npy) causal              shared [s] by offset d; by_position [s (own coordinate)][s
//   (d)];
//                       separate [s_1]…[s_n][C][s (d)], indexed by the token that receives
// grid_causal uses k <= j only; what lies above is never read and gets no gradient. In causal
// wiring token t receives from t - d * stride, whatever row that falls in; before the start there
// is nothing. The channel axis is always mapped as a grid.
#pragma once

#include <cstdint>

#include "tensor/nodes.h"
#include "tensor/shape.h"

namespace ortho {

enum class Weights { shared, separate, by_position };
enum class Wiring { grid, causal, grid_causal };

struct DenseMap {
  Shape tokens;               // token axes of the input, outermost first
  std::int64_t batch = 0;     // B
  std::int64_t channels = 0;  // C of the input
  Order order = Order::batch_inner;
  int axis = 0;  // index into tokens, or tokens.size(): the channel axis
  std::int64_t out =
      0;  // size of that axis in the output; differs from the input's only in grid wiring
  Weights weights = Weights::separate;
  Wiring wiring = Wiring::grid;
};

Shape weight_shape(
    const DenseMap& map);  // as in the table above; checks the combination, Error(usage)
Nodes input_nodes(const DenseMap& map);
Nodes output_nodes(const DenseMap& map);

}  // namespace ortho
