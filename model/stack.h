// Stack: L blocks, fed back R times with the same weights, and the way back through all R passes.
//
// A step is x' = x + sum of its sublayers (without the x when residual is off): one sublayer in a
// chain, all axes of a block in parallel. Every step keeps its input.
#pragma once

#include <memory>
#include <vector>

#include "model/block.h"

namespace ortho {

template <class T>
class Stack {
 public:
  explicit Stack(const Build<T>& build);
  T* input() { return states_.front(); }  // [nodes]: the caller writes the embedding here
  const T* output() const { return states_.back(); }
  void forward(const DropoutKey& key);
  // `gradient` holds the loss's gradient of output() and leaves as that of input().
  void backward(const DropoutKey& key, T* gradient);

 private:
  using Step = std::vector<std::unique_ptr<Sublayer<T>>>;
  void add_joint_block(const Build<T>& build, const std::string& block);
  void add_dense_block(const Build<T>& build, const std::string& block);
  bool residual_;
  Nodes nodes_;
  Backend<T>& backend_;
  Scratch<T> scratch_;
  std::vector<Step> steps_;
  std::vector<T*> states_;  // states_[i] is the input of step i
  T* held_ = nullptr;       // the output's gradient while parallel sublayers add to their input's
  std::uint64_t sublayers_ = 0;
};

}  // namespace ortho
