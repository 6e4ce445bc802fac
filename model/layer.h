// Layer: dense maps along several axes of the node grid, combined (docs/layer.md, section 2).
//
//   parallel    y = sum of all maps of x
//   sequential  y = the maps in a chain: ascending from the outermost axis, or descending to it
//   single      y = one map of x, which may give its axis another size
//
// The axes are all token axes and, with spec.channel_axis, the channel axis as the last. Weights
// are "PREFIX.axis.A.w", A counted from the innermost token axis, and "PREFIX.channel.w".
#pragma once

#include <string>
#include <vector>

#include "model/axis_map.h"
#include "model/build.h"

namespace ortho {

// The maps of a layer in the order they run. `nodes` are its input, `single_out` is the output size
// of a single axis; 0 keeps the input's. On the channel axis weights by_position means shared.
std::vector<DenseMap> layer_maps(const ModelSpec& spec, const Nodes& nodes,
                                 std::int64_t single_out = 0);

// Its weights in the same order, for `channels` at its input. In causal wiring a separate weight's
// coordinates are the receiver's: all of them lines, the mapped axis too.
std::vector<ParamSpec> layer_params(const ModelSpec& spec, std::int64_t channels,
                                    const std::string& prefix, std::int64_t single_out = 0);

template <class T>
class Layer {
 public:
  // x and y are at home, x with `channels`.
  Layer(const Build<T>& build, std::int64_t channels, const std::string& prefix,
        std::int64_t single_out = 0);

  Nodes input() const { return maps_.front().input(); }
  Nodes output() const { return maps_.back().output(); }
  // Activations kept from forward to backward, taken
  // from the arena: one less than the maps of a chain.
  std::int64_t kept_bytes() const;

  void forward(const T* x, T* y);
  // Overwrites dx and adds to the weights' gradients. The gradient takes the place of what a chain
  // kept, so each forward serves one backward.
  void backward(const T* x, const T* dy, T* dx);

 private:
  bool chained_;
  std::vector<DenseAxisMap<T>> maps_;
  std::vector<T*> kept_;  // outputs of all maps of a chain but the last; the arena owns them
};

}  // namespace ortho
