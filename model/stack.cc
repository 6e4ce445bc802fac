#include "model/stack.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "model/dense_block_map.h"
#include "model/joint_map.h"

namespace ortho {

template <class T>
Stack<T>::Stack(const Build<T>& build)
    : residual_(build.spec.residual),
      nodes_(build.sharding.local(build.sharding.home(), build.spec.channels)),
      backend_(build.backend),
      scratch_(take_scratch(build.spec, nodes_, build.arena)) {
  const ModelSpec& spec = build.spec;
  for (std::int64_t pass = 0; pass < spec.refeeds; ++pass)
    for (std::int64_t b = 0; b < spec.blocks; ++b) {
      const std::string block = "block." + std::to_string(b);
      if (spec.map == MapKind::joint) add_joint_block(build, block);
      if (spec.map == MapKind::dense) add_dense_block(build, block);
    }
  for (size_t i = 0; i <= steps_.size(); ++i)
    states_.push_back(build.arena.take(nodes_.elements(), "residual stream"));
  const bool chained =
      std::all_of(steps_.begin(), steps_.end(), [](const Step& step) { return step.size() == 1; });
  if (!residual_ || !chained) held_ = build.arena.take(nodes_.elements(), "held gradient");
}

template <class T>
void Stack<T>::add_joint_block(const Build<T>& build, const std::string& block) {
  const ModelSpec& spec = build.spec;
  const Shape axes = joint_axes(spec);
  const Index step = strides(axes);
  std::vector<size_t> order(axes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (spec.sequence == Sequence::descending) std::reverse(order.begin(), order.end());
  if (spec.combine == Combine::parallel) steps_.emplace_back();
  for (const size_t i : order) {
    const Lines lines = {nodes_.tokens / (axes[i] * step[i]), axes[i], step[i]};
    const std::string prefix = block + ".axis." + std::to_string(axes.size() - 1 - i);
    auto map =
        std::make_unique<JointMap<T>>(spec.wiring, lines, nodes_, gated_width(spec),
                                      build.params.at(prefix + ".w1"), backend_, build.arena);
    if (spec.combine != Combine::parallel) steps_.emplace_back();
    steps_.back().push_back(std::make_unique<Sublayer<T>>(build, build.sharding.home(), prefix,
                                                          sublayers_++, std::move(map), scratch_));
  }
}

template <class T>
void Stack<T>::add_dense_block(const Build<T>& build, const std::string& block) {
  auto map = std::make_unique<DenseBlockMap<T>>(build, block);
  steps_.emplace_back();
  steps_.back().push_back(std::make_unique<Sublayer<T>>(build, build.sharding.home(), block,
                                                        sublayers_++, std::move(map), scratch_));
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
