// Layer: dense maps along several axes of the node grid, combined (docs/layer.md, section 2).
//
//   parallel    y = sum of all maps of x
//   sequential  y = the maps in a chain: ascending from the outermost axis, or descending to it
//   single      y = one map of x, which may give its axis another size
//
// The axes are all token axes and, with spec.channel_axis, the channel axis as the last. Weights
// are "PREFIX.axis.A.w", A counted from the innermost token axis, and "PREFIX.channel.w"; tied maps
// whose arrays have one shape and wiring have one weight, "PREFIX.size.S.w", S the size of the axes.
#pragma once

#include <limits>
#include <span>
#include <string>
#include <vector>

#include "model/axis_map.h"
#include "model/build.h"

namespace ortho {

// The maps of a layer in the order they run. `nodes` are its input, `single_out` is the output size
// of a single axis; 0 keeps the input's. On the channel axis weights by_position means shared.
std::vector<DenseMap> layer_maps(const ModelSpec& spec, const Nodes& nodes,
                                 std::int64_t single_out = 0);

std::string map_name(const DenseMap& map, const std::string& prefix);  // "PREFIX.axis.A"
// The name of the weight of map number i, of all maps of a layer.
std::string weight_name(const ModelSpec& spec, const std::vector<DenseMap>& maps, size_t i,
                        const std::string& prefix);

// All nodes that the layer reads and writes, on however many ranks. With a gate its channels are
// halves (comm/layout.h), unless it makes them itself out of the residual stream.
struct LayerShapes {
  NodeShape input, output;
};
LayerShapes layer_shapes(const ModelSpec& spec, const Sharding& sharding, std::int64_t channels,
                         std::int64_t single_out = 0);

// Its weights in the same order, each once, for `channels` at its input. In causal wiring a separate weight's
// coordinates are the receiver's: all of them lines, the mapped axis too.
std::vector<ParamSpec> layer_params(const ModelSpec& spec, std::int64_t channels,
                                    const std::string& prefix, std::int64_t single_out = 0);

// The layout, of the input's nodes, that each map runs in, in the same order: one with its axis whole, and in causal
// wiring the token axes outside it too, whose rows its taps reach. A sum's maps run at home or at
// their lines, a chain's where the moves between them cost least. Equal on all ranks. A token axis
// with fewer lines than ranks stays cut in grid wiring (model/axis_map.h). Error(usage) where a map
// finds no layout, where its output is smaller than the cut of its axis, or where the channels are
// cut into parts that are no whole heads.
std::vector<Layout> layer_layouts(const ModelSpec& spec, const Sharding& sharding,
                                  std::int64_t channels, std::int64_t single_out = 0);

// The layouts of its weights, in the same order. A separate weight is cut like the lines it serves,
// so that its gradient is complete where it arises; others have copies on all ranks.
std::vector<Layout> layer_param_layouts(const ModelSpec& spec, const Sharding& sharding,
                                        std::int64_t channels, std::int64_t single_out = 0);

// On several ranks a map that does not run at home keeps its input as moved until backward: to move
// x once more would be a fifth move beside four, and what it saves is B / (4 s) of the memory of a
// separate weight with its gradient and moments. Arrays under way share memory with other layers.
template <class T>
class Layer {
 public:
  // x and y are at home, x with `channels`; `layouts` are layer_layouts(…), which take long to plan
  // on large meshes and serve all layers alike. Collective, as are forward and backward.
  Layer(const Build<T>& build, const std::vector<Layout>& layouts, std::int64_t channels,
        const std::string& prefix, std::int64_t single_out = 0);

  const Nodes& input() const { return input_; }
  const Nodes& output() const { return output_; }
  // Activations kept from forward to backward, taken from the arena: the input of each map that is
  // not x itself, so on one rank one less than the maps of a chain.
  std::int64_t kept_bytes() const { return kept_bytes_; }

  void forward(const T* x, T* y);
  // Overwrites dx and adds to the weights' gradients. The gradient takes the place of what a chain
  // kept, so each forward serves one backward.
  void backward(const T* x, const T* dy, T* dx);

 private:
  struct Part {
    DenseAxisMap<T> map;
    // Into the map's layout: in a sum from home, and backward the way home; in a chain from the
    // layout of the map before. Null if they are the same.
    Move<T>* move = nullptr;
    T* input = nullptr;                      // kept in the map's layout; null: x serves
    const std::span<T>* gradient = nullptr;  // of a sum: dy in the map's layout
  };
  // All maps on all ranks, and where they run.
  struct Whole {
    std::vector<DenseMap> maps;
    LayerShapes shapes;
    Layout home;                  // of the input
    std::vector<Layout> layouts;  // of each map's input
    std::string prefix;
  };
  void plan_partial_sums(const Build<T>& build, const Whole& whole);
  void plan_chain(const Build<T>& build, const Whole& whole);
  void plan_sum(const Build<T>& build, const Whole& whole);
  T* keep(const Build<T>& build, const Part& part);
  Move<T>* move_after(size_t i) const { return i + 1 < parts_.size() ? parts_[i + 1].move : home_; }
  void run_chain(const T* x, T* y);
  void run_chain_back(const T* x, const T* dy, T* dx);

  // A sum's two directions: y from x, or dx from dy with x at hand for the weights.
  struct Pass {
    Way way;
    const T *x, *from;
    T* sum;
  };
  void run_sum(const Pass& pass);
  void run_together(const Pass& pass);
  void run_at_home(const Pass& pass, Part& part, T* into, bool add);
  void run_at_lines(const Pass& pass, Part& part, T* into);

  static constexpr size_t kNone = std::numeric_limits<size_t>::max();
  bool chained_;
  Nodes input_, output_;
  Backend<T>& backend_;
  std::vector<Part> parts_;  // in running order
  std::int64_t kept_bytes_ = 0;
  Move<T>* home_ = nullptr;                // a chain's, from its last map
  const std::span<T>* waiting_ = nullptr;  // a chain's array to move, a sum's early term
  const std::span<T>* landing_ = nullptr;  // a chain's gradient that comes, in turn with waiting_
  std::vector<const std::span<T>*> results_;  // of a sum's maps at their lines, used in turn; a
                                              // chain's gradient that leaves
  std::vector<size_t> turns_;                 // the order in which a sum adds its terms
  size_t early_ = kNone;                      // the term computed before the first turn
};

}  // namespace ortho
