#include "model/stack.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "model/attention_map.h"
#include "model/dense_block_map.h"
#include "model/joint_map.h"
#include "model/resize.h"

namespace ortho {
namespace {

// Rows of this rank in the layout where it has most: home or one of the sites.
std::int64_t most_rows(const ModelSpec& spec, const Sharding& sharding,
                       const std::vector<JointSite>& sites) {
  std::int64_t rows = sharding.local(sharding.home(), spec.channels).rows();
  for (const JointSite& site : sites)
    rows = std::max(rows, sharding.local(site.layout, spec.channels).rows());
  if (!resizes(spec)) return rows;
  const Sharding between = resized(spec, sharding);
  return std::max(rows, between.local(between.home(), spec.channels).rows());
}

template <class T>
const Param<T>* first_weight(const Params<T>& params, const std::string& prefix) {
  for (const Param<T>& param : params.all())
    if (param.spec.name.starts_with(prefix)) return &param;
  ASSERT(false, "no weight of ", prefix);
}

}  // namespace

template <class T>
Stack<T>::Stack(const Build<T>& build)
    : residual_(build.spec.residual),
      passes_(static_cast<size_t>(build.spec.refeeds)),
      home_(build.sharding.home()),
      shape_(build.sharding.nodes(build.spec.channels).shape),
      backend_(build.backend) {
  const ModelSpec& spec = build.spec;
  std::vector<JointSite> sites;  // dense blocks are at home between their maps
  if (has_line_maps(spec)) sites = joint_sites(spec, build.sharding);
  scratch_ = take_scratch(build, most_rows(spec, build.sharding, sites));
  if (has_line_maps(spec))
    add_line_blocks(build, sites);
  else
    add_dense_blocks(build);
  take_ends(build);
}

template <class T>
const Layout& Stack<T>::layout_before(size_t step) const {
  return step == 0 ? home_ : steps_[step - 1].layout;
}

template <class T>
typename Stack<T>::Step& Stack<T>::add_step(const Build<T>& build, const Layout& layout,
                                            const std::string& what) {
  Step step{layout, nullptr, nullptr, 0, {}};
  step.there =
      build.moves.add(shape_, layout_before(steps_.size()), layout, what + ", to its lines");
  step.elements = build.sharding.local(layout, build.spec.channels).elements();
  // Where the first step is not at home, the caller's input is elsewhere: take_ends.
  step.x = build.arena.take(step.elements, "residual stream");
  steps_.push_back(std::move(step));
  return steps_.back();
}

// The way of a sublayer whose map needs the rows of `layout`, with all channels. Its result has all
// of them too; without a way out it has those of the rank's own units, as the stream has.
template <class T>
typename Stack<T>::Part Stack<T>::part_of_step(const Build<T>& build, const Layout& layout,
                                               const std::string& what) {
  const Layout& step = steps_.back().layout;
  const Layout whole = build.sharding.whole_channels(layout);
  Part part;
  part.there = build.moves.add(shape_, step, whole, what + ", to its lines");
  part.back = build.moves.add(shape_, step, build.spec.out ? whole : layout, what + ", home");
  if (part.there == nullptr) return part;
  part.elements = build.sharding.local(whole, build.spec.channels).elements();
  part.x = build.arena.take(part.elements, "residual stream");
  return part;
}

template <class T>
void Stack<T>::add_line_blocks(const Build<T>& build, const std::vector<JointSite>& sites) {
  const ModelSpec& spec = build.spec;
  const JointScratch<T> joint = take_joint_scratch<T>(build, sites);
  const AttentionScratch<T> attention = take_attention_scratch<T>(build, sites);
  const size_t maps = line_maps(spec).size();
  for (size_t i = 0; i < sites.size(); ++i) {
    const JointSite& site = sites[i];
    const auto block = static_cast<std::int64_t>(i / maps) % spec.blocks;
    const std::string along = '.' + line_map_name(spec, site.map);
    const bool parallel = spec.combine == Combine::parallel;
    if (!parallel) add_step(build, site.layout, block_name(block, 0) + along);
    if (parallel && i % maps == 0) add_step(build, home_, block_name(block, 0));
    for (std::int64_t branch = 0; branch < spec.branches; ++branch) {
      const std::string prefix = block_name(block, branch) + along;
      Part part = part_of_step(build, site.layout, prefix);
      std::unique_ptr<BlockMap<T>> map;
      if (site.map.kind == MapKind::attention)
        map = std::make_unique<AttentionMap<T>>(build, site, attention, prefix);
      else
        map = std::make_unique<JointMap<T>>(build, site, build.params.at(prefix + ".w1"), joint,
                                            prefix);
      part.sublayer = std::make_unique<Sublayer<T>>(
          build, build.sharding.whole_channels(site.layout), prefix,
          static_cast<std::uint64_t>(static_cast<std::int64_t>(i) * spec.branches + branch),
          std::move(map), scratch_);
      part.weight =
          &build.params.at(prefix + (site.map.kind == MapKind::attention ? ".value" : ".w1"));
      steps_.back().parts.push_back(std::move(part));
    }
  }
}

template <class T>
void Stack<T>::add_dense_blocks(const Build<T>& build) {
  const ModelSpec& spec = build.spec;
  for (std::int64_t i = 0; i < spec.blocks * spec.refeeds; ++i) {
    Step& step = add_step(build, home_, block_name(i % spec.blocks, 0));
    for (std::int64_t branch = 0; branch < spec.branches; ++branch) {
      const std::string prefix = block_name(i % spec.blocks, branch);
      Part part = part_of_step(build, home_, prefix);
      auto map = std::make_unique<DenseBlockMap<T>>(build, prefix);
      part.sublayer = std::make_unique<Sublayer<T>>(
          build, build.sharding.whole_channels(home_), prefix,
          static_cast<std::uint64_t>(i * spec.branches + branch), std::move(map), scratch_);
      part.weight = first_weight(build.params, prefix + ".");
      step.parts.push_back(std::move(part));
    }
  }
}

template <class T>
void Stack<T>::take_ends(const Build<T>& build) {
  Arena<T>& arena = build.arena;
  leave_ = build.moves.add(shape_, steps_.back().layout, home_, "the stack's output, home");
  output_ =
      arena.take(build.sharding.local(home_, build.spec.channels).elements(), "residual stream");
  std::int64_t most = build.sharding.local(home_, build.spec.channels).elements(), apart = 0;
  bool moves = leave_ != nullptr, chained = true;
  for (const Step& step : steps_) {
    most = std::max(most, step.elements);
    moves = moves || step.there != nullptr;
    chained = chained && step.parts.size() == 1;
    for (const Part& part : step.parts) apart = std::max(apart, part.elements);
  }
  for (T*& buffer : stream_)
    if (moves) buffer = arena.take(most, "residual stream on its way");
  for (T*& buffer : apart_) buffer = arena.take(apart, "input and result of a sublayer");
  if (!residual_ || !chained) held_ = arena.take(most, "held gradient");
  input_ = steps_.front().there ? stream_[0] : steps_.front().x;
}

template <class T>
void Stack<T>::forward(const DropoutKey& key, Part& part, const T* x, T* y) {
  if (part.there) part.there->run(Way::forward, x, part.x, Fill::over);
  T* const change = part.back ? apart_[0] : y;
  if (part.back) backend_.zero(part.elements, change);
  part.sublayer->forward(key, part.there ? part.x : x, change);
  if (part.back) part.back->run(Way::backward, change, y, Fill::add);
}

template <class T>
void Stack<T>::backward(const DropoutKey& key, Part& part, const T* x, const T* dy, T* dx) {
  if (part.back) {
    part.back->run(Way::forward, dy, apart_[0], Fill::over);
    dy = apart_[0];
  }
  T* const change = part.there ? apart_[1] : dx;
  if (part.there) backend_.zero(part.elements, change);
  part.sublayer->backward(key, part.there ? part.x : x, dy, change);
  if (part.there) part.there->run(Way::backward, change, dx, Fill::add);
}

// Whether the pass before this step, which is the first of a pass, left the stream as it was.
template <class T>
bool Stack<T>::settled(const Settling& settling, size_t step) {
  const Step &now = steps_[step], &before = steps_[step - steps_.size() / passes_];
  std::array<double, 2> squares = {0, 0};  // of the change, and of the stream
  for (std::int64_t i = 0; i < now.elements; ++i) {
    const auto x = static_cast<double>(now.x[i]), change = x - static_cast<double>(before.x[i]);
    squares[0] += change * change;
    squares[1] += x * x;
  }
  if (settling.ranks) settling.ranks->sum(std::span<double>(squares));
  return squares[0] <= settling.tolerance * settling.tolerance * squares[1];
}

template <class T>
void Stack<T>::forward(const DropoutKey& key, Settling* settling) {
  const size_t pass = steps_.size() / passes_, last_pass = steps_.size() - pass;
  if (settling) settling->passes = static_cast<std::int64_t>(passes_);
  if (steps_.front().there)
    steps_.front().there->run(Way::forward, input_, steps_.front().x, Fill::over);
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (settling && settling->tolerance > 0 && i > 0 && i < last_pass && i % pass == 0 &&
        settled(*settling, i)) {
      settling->passes = static_cast<std::int64_t>(i / pass) + 1;
      backend_.copy(steps_[i].elements, steps_[i].x, steps_[last_pass].x);
      i = last_pass;
    }
    Step& step = steps_[i];
    const bool last = i + 1 == steps_.size();
    Move<T>* const onward = last ? leave_ : steps_[i + 1].there;
    T* const result = last ? output_ : steps_[i + 1].x;
    T* const y = onward ? stream_[0] : result;
    if (residual_)
      backend_.copy(step.elements, step.x, y);
    else
      backend_.zero(step.elements, y);
    for (Part& part : step.parts) forward(key, part, step.x, y);
    if (onward) onward->run(Way::forward, y, result, Fill::over);
  }
}

template <class T>
size_t Stack<T>::lowest_trained() const {
  size_t step = 0;
  const auto is = [](const Part& part) { return part.weight->trained; };
  while (step < steps_.size() &&
         std::none_of(steps_[step].parts.begin(), steps_[step].parts.end(), is))
    ++step;
  return step;
}

template <class T>
void Stack<T>::backward(const DropoutKey& key, T* gradient, bool to_input) {
  const size_t lowest = to_input ? 0 : lowest_trained();
  T* dx = gradient;  // of the stream where it is now; at home it lies in `gradient`
  const auto move_back = [&](Move<T>* way, const Layout& to) {
    if (way == nullptr) return;
    T* into = dx == stream_[0] ? stream_[1] : stream_[0];
    if (to.cuts() == home_.cuts()) into = gradient;
    way->run(Way::backward, dx, into, Fill::over);
    dx = into;
  };
  if (lowest == steps_.size()) return;
  move_back(leave_, steps_.back().layout);
  for (size_t i = steps_.size(); i-- > lowest;) {
    Step& step = steps_[i];
    const T* dy = dx;
    // A chained residual sublayer reads dy before it adds to dx, so both may be one buffer.
    if (!residual_ || step.parts.size() > 1) {
      backend_.copy(step.elements, dx, held_);
      dy = held_;
    }
    if (!residual_) backend_.zero(step.elements, dx);
    for (Part& part : step.parts) backward(key, part, step.x, dy, dx);
    if (i > 0 || to_input) move_back(step.there, layout_before(i));
  }
}

template class Stack<float>;
template class Stack<double>;

}  // namespace ortho
