// Sublayer: one residual step of a block, y += out( f( map( norm(x) ) + b1 ) ) + b2, with dropout
// after f and the biases where they are switched on. Where the map resizes an axis, another leads
// back before `out` (model/resize.h).
//
// A joint block is a chain (or a sum) of one sublayer per token axis, a dense block is one
// sublayer. Kept for backward: h, z and the norm's statistics; q = f(z) is computed again. Where
// the mesh cuts the channels, each rank has all of x and a part of the units between: what it adds
// to y and dx are partial sums (with out: false, the channels of its units).
#pragma once

#include <memory>

#include "model/block_map.h"
#include "model/build.h"
#include "model/resize.h"

namespace ortho {

constexpr double kNormEpsilon = 1e-5;

// Buffers that every sublayer of a model uses in turn.
template <class T>
struct Scratch {
  T* q;   // [nodes, E]
  T* dq;  // [nodes, E]
  T* dz;  // [nodes, G]
  T* dh;  // [nodes, C]
};
// For the sublayer with most rows.
template <class T>
Scratch<T> take_scratch(const Build<T>& build, std::int64_t rows);

// Which hidden units stay: what dropout draws in this training step, and the largest.
struct DropoutKey {
  double p = 0;
  std::uint64_t seed = 0, step = 0;
  std::int64_t first_window = 0;
  double active_nodes = 1;  // while evaluating: share of each token's hidden units that stay
};

template <class T>
class Sublayer {
 public:
  // It runs in `layout`, which has all channels. `prefix` names its weights: "block.0.axis.1" or "block.0";
  // `number` counts sublayers through all passes.
  Sublayer(const Build<T>& build, const Layout& layout, const std::string& prefix,
           std::uint64_t number, std::unique_ptr<BlockMap<T>> map, const Scratch<T>& scratch);
  void forward(const DropoutKey& key, const T* x, T* y) { forward(key, tokens(), x, y); }  // y += …
  void backward(const DropoutKey& key, const T* x, const T* dy, T* dx) {  // dx += …; dy may be dx
    backward(key, tokens(), x, dy, dx);
  }
  // The same by runs of tokens (model/block_map.h), of the same arrays; the runs of backward are
  // those of the forward before.
  bool by_runs() const { return map_->by_runs(); }
  void forward(const DropoutKey& key, const Range& tokens, const T* x, T* y);
  void backward(const DropoutKey& key, const Range& tokens, const T* x, const T* dy, T* dx);
  // The rest of the weights' gradients, with the same x and before another sublayer runs.
  void backward_weights(const T* x) { map_->backward_weights(gain_ ? h_ : x, scratch_.dz); }

 private:
  // A run of tokens: its nodes with the residual stream's channels, with the units', with the map's.
  struct Run {
    Range tokens;
    Nodes nodes, hidden, mapped;
    std::int64_t at(const Nodes& of) const { return tokens.lo * of.batch * of.channels; }
  };
  Range tokens() const { return {0, nodes_.tokens}; }
  Run run(const Range& tokens) const;
  Nodes units(const Run& run) const;  // what the way out reads
  T* stats(const Run& run) const { return stats_ + 2 * run.tokens.lo * nodes_.batch; }
  void make_q(const DropoutKey& key, const Run& run);
  void drop(const DropoutKey& key, const Run& run, T* q);
  Norm norm_;
  Range units_;           // of E, those of this rank
  Gate gate_;             // of them
  Nodes nodes_, hidden_;  // with C channels; with the units, where f works
  HeldRows rows_;
  std::uint64_t number_;
  std::unique_ptr<BlockMap<T>> map_;
  std::unique_ptr<WayBack<T>> back_;  // null: the map keeps its axis
  Param<T>* gain_ = nullptr;
  Param<T>* way_out_ = nullptr;
  Param<T>* map_bias_ = nullptr;
  Param<T>* out_bias_ = nullptr;  // of partial sums, on the first of their ranks only
  Backend<T>& backend_;
  Scratch<T> scratch_;
  T *h_ = nullptr, *z_ = nullptr;
  T* stats_ = nullptr;  // those of each run together
};

}  // namespace ortho
