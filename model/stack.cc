#include "model/stack.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "model/dense_block_map.h"
#include "model/joint_map.h"

namespace ortho {

template <class T>
Stack<T>::Stack(const ModelSpec& spec, const Nodes& nodes, Params<T>& params, Backend<T>& backend,
                Arena<T>& arena)
    : residual_(spec.residual),
      nodes_(nodes),
      backend_(backend),
      scratch_(take_scratch(spec, nodes, arena)) {
  for (std::int64_t pass = 0; pass < spec.refeeds; ++pass)
    for (std::int64_t b = 0; b < spec.blocks; ++b) {
      const std::string block = "block." + std::to_string(b);
      if (spec.map == MapKind::joint) add_joint_block(spec, block, params, arena);
      if (spec.map == MapKind::dense) add_dense_block(spec, block, params, arena);
    }
  for (size_t i = 0; i <= steps_.size(); ++i)
    states_.push_back(arena.take(nodes.elements(), "residual stream"));
  const bool chained =
      std::all_of(steps_.begin(), steps_.end(), [](const Step& step) { return step.size() == 1; });
  if (!residual_ || !chained) held_ = arena.take(nodes.elements(), "held gradient");
}

template <class T>
void Stack<T>::add_joint_block(const ModelSpec& spec, const std::string& block, Params<T>& params,
                               Arena<T>& arena) {
  const Shape axes = joint_axes(spec);
  const Index step = strides(axes);
  std::vector<size_t> order(axes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (spec.sequence == Sequence::descending) std::reverse(order.begin(), order.end());
  if (spec.combine == Combine::parallel) steps_.emplace_back();
  for (const size_t i : order) {
    const Lines lines = {nodes_.tokens / (axes[i] * step[i]), axes[i], step[i]};
    const std::string prefix = block + ".axis." + std::to_string(axes.size() - 1 - i);
    auto map = std::make_unique<JointMap<T>>(spec.wiring, lines, nodes_, gated_width(spec),
                                             params.at(prefix + ".w1"), backend_, arena);
    if (spec.combine != Combine::parallel) steps_.emplace_back();
    steps_.back().push_back(std::make_unique<Sublayer<T>>(
        spec, nodes_, prefix, sublayers_++, std::move(map), params, backend_, arena, scratch_));
  }
}

template <class T>
void Stack<T>::add_dense_block(const ModelSpec& spec, const std::string& block, Params<T>& params,
                               Arena<T>& arena) {
  auto map = std::make_unique<DenseBlockMap<T>>(spec, nodes_, block, params, backend_, arena);
  steps_.emplace_back();
  steps_.back().push_back(std::make_unique<Sublayer<T>>(
      spec, nodes_, block, sublayers_++, std::move(map), params, backend_, arena, scratch_));
}

template <class T>
void Stack<T>::forward(const DropoutKey& key) {
  for (size_t i = 0; i < steps_.size(); ++i) {
    const T* x = states_[i];
    T* y = states_[i + 1];
    if (residual_)
      backend_.copy(nodes_.elements(), x, y);
    else
      backend_.zero(nodes_.elements(), y);
    for (const auto& sublayer : steps_[i]) sublayer->forward(key, x, y);
  }
}

template <class T>
void Stack<T>::backward(const DropoutKey& key, T* gradient) {
  for (size_t i = steps_.size(); i-- > 0;) {
    const T* dy = gradient;
    // A chained residual sublayer reads dy before it adds to dx, so both may be one buffer.
    if (!residual_ || steps_[i].size() > 1) {
      backend_.copy(nodes_.elements(), gradient, held_);
      dy = held_;
    }
    if (!residual_) backend_.zero(nodes_.elements(), gradient);
    for (const auto& sublayer : steps_[i]) sublayer->backward(key, states_[i], dy, gradient);
  }
}

template class Stack<float>;
template class Stack<double>;

}  // namespace ortho
