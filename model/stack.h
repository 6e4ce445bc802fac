// Stack: L blocks, fed back R times with the same weights, and the way back through all R passes.
//
// A step is x' = x + sum of its sublayers (without the x when residual is off): one sublayer a branch
// in a chain, all of a block's in parallel. Every step keeps its input, in its own layout: the
// residual stream moves where the layout changes, and its gradient moves back. Each Move runs once
// each way in a training step.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/block.h"
#include "model/joint_sites.h"

namespace ortho {

// Passes that end early, while answering: when a pass changes the stream by less than `tolerance`
// of its size, the last one follows at once, as it would have.
struct Settling {
  double tolerance = 0;      // 0: all passes run
  Channel* ranks = nullptr;  // that share the windows and must agree; null: this one is alone
  std::int64_t passes = 0;   // that the last forward ran
};

template <class T>
class Stack {
 public:
  explicit Stack(const Build<T>& build);  // Collective
  // [nodes at home]: the caller writes the embedding here before each forward, which may use it up.
  T* input() { return input_; }
  const T* output() const { return output_; }  // at home
  // Collective, like all it does. With `settling` no backward may follow.
  void forward(const DropoutKey& key, Settling* settling = nullptr);
  // `gradient` holds the loss's gradient of output() and leaves as that of input(), if `to_input`;
  // else it ends at the lowest step with a weight that is trained. Collective.
  void backward(const DropoutKey& key, T* gradient, bool to_input = true);

 private:
  // A run of a sublayer's tokens on the way from its step's layout to its own.
  struct Piece {
    Range tokens;              // in its own layout
    Move<T>* there = nullptr;  // null: its input is in the step's layout
    // To the result's layout: read backwards it leads from there, and adds up partial sums. Null:
    // the result is in the step's layout.
    Move<T>* back = nullptr;
    std::int64_t at = 0, step_at = 0;  // first element in its own layout, in the step's
  };
  // A sublayer, and the way from its step's layout to its own: another one, or all channels. Where
  // that is long, pieces travel while others are computed; else there is one piece.
  struct Part {
    std::unique_ptr<Sublayer<T>> sublayer;
    std::vector<Piece> pieces;
    bool leaves() const { return pieces.front().there != nullptr; }
    bool returns() const { return pieces.front().back != nullptr; }
    bool by_runs() const { return pieces.size() > 1 && sublayer->by_runs(); }
    T* x = nullptr;                    // the input in its own layout, kept
    std::int64_t elements = 0;         // of x; the result has no more
    const Param<T>* weight = nullptr;  // its map's; a sublayer is trained as a whole
  };
  struct Step {
    Layout layout;
    Move<T>* there = nullptr;   // from the layout of the step before; null: the same
    T* x = nullptr;             // the input, kept
    std::int64_t elements = 0;  // of x
    std::vector<Part> parts;
  };
  const Layout& layout_before(size_t step) const;
  Step& add_step(const Build<T>& build, const Layout& layout, const std::string& what);
  void add_line_blocks(const Build<T>& build, const std::vector<JointSite>& sites);
  void add_dense_blocks(const Build<T>& build);
  Part part_of_step(const Build<T>& build, const Layout& layout, const std::string& what,
                    bool by_runs);
  std::vector<Range> runs(const Build<T>& build, const Layout& layout) const;
  void take_ends(const Build<T>& build);
  size_t lowest_trained() const;
  bool settled(const Settling& settling, size_t step);
  void forward(const DropoutKey& key, Part& part, const T* x, T* y);
  void backward(const DropoutKey& key, Part& part, const T* x, const T* dy, T* dx);
  void add_to_weights(Part& part, const T* x);
  bool residual_;
  size_t passes_;
  Layout home_;
  Shape shape_;  // of the residual stream
  Backend<T>& backend_;
  Scratch<T> scratch_{};
  std::vector<Step> steps_;
  Move<T>* leave_ = nullptr;  // from the last step's layout home; null: it is home
  T *input_ = nullptr, *output_ = nullptr;
  T* stream_[2] = {};  // the residual stream and its gradient on the way between layouts
  T* apart_[2] = {};   // what sublayers read and add in layouts of their own
  T* held_ = nullptr;  // the output's gradient while parallel sublayers add to their input's
};

}  // namespace ortho
