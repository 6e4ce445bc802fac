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

constexpr std::int64_t kRuns = 4, kRunBytes = 128 << 10;

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
                                               const std::string& what, bool by_runs) {
  const Sharding& sharding = build.sharding;
  const Layout& step = steps_.back().layout;
  const Layout whole = sharding.whole_channels(layout);
  const Layout& result = build.spec.out ? whole : layout;
  const std::vector<Range> ranges =
      by_runs ? runs(build, layout) : std::vector<Range>{{0, shape_[0]}};
  const auto per_range = [&](const Layout& of) {  // elements
    return ranges.size() > 1 ? sharding.local(of, build.spec.channels).elements() / shape_[0] : 0;
  };
  Part part;
  for (size_t i = 0; i < ranges.size(); ++i) {
    Shape shape = shape_;
    std::int64_t tokens = sharding.local(whole, build.spec.channels).tokens;
    Piece piece{{0, tokens}};
    if (ranges.size() > 1) {
      shape[0] = ranges[i].size();
      tokens /= shape_[0];
      piece.tokens = {ranges[i].lo * tokens, ranges[i].hi * tokens};
    }
    // Pieces are all under way at once.
    const size_t lane = i, back_lane = ranges.size() > 1 ? ranges.size() + i : 0;
    piece.there = build.moves.add(shape, step, whole, what + ", to its lines", lane);
    piece.back = build.moves.add(shape, step, result, what + ", home", back_lane);
    piece.at = ranges[i].lo * per_range(whole);
    piece.step_at = ranges[i].lo * per_range(step);
    part.pieces.push_back(piece);
  }
  if (!part.leaves()) return part;
  part.elements = sharding.local(whole, build.spec.channels).elements();
  part.x = build.arena.take(part.elements, "residual stream");
  return part;
}

// Ranges of the outermost token axis, where only the channels have to be gathered for a part of a
// step; equal on all ranks. A rank's message for another one stays long enough to be worth its own.
template <class T>
std::vector<Range> Stack<T>::runs(const Build<T>& build, const Layout& layout) const {
  const Layout& step = steps_.back().layout;
  const std::int64_t bytes =
      elements(shape_) / build.sharding.ranks() * static_cast<std::int64_t>(sizeof(T));
  const bool gathers = build.sharding.cuts().channels > 1 && step.cuts() == layout.cuts() &&
                       !build.spec.tokens.empty() && step.parts(0) == 1 && build.spec.out;
  const std::int64_t most = gathers ? std::min({kRuns, shape_[0], bytes / kRunBytes}) : 1;
  const int count = static_cast<int>(std::max<std::int64_t>(1, most));
  std::vector<Range> ranges;
  for (int i = 0; i < count; ++i) ranges.push_back(split(shape_[0], count, i));
  return ranges;
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
      const bool by_runs =
          site.map.kind == MapKind::joint && !site.halo && build.spec.wiring == Wiring::causal;
      Part part = part_of_step(build, site.layout, prefix, by_runs);
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
  const std::vector<Layout> layouts = block_layouts(spec, build.sharding);
  for (std::int64_t i = 0; i < spec.blocks * spec.refeeds; ++i) {
    Step& step = add_step(build, home_, block_name(i % spec.blocks, 0));
    for (std::int64_t branch = 0; branch < spec.branches; ++branch) {
      const std::string prefix = block_name(i % spec.blocks, branch);
      Part part = part_of_step(build, home_, prefix, false);
      auto map = std::make_unique<DenseBlockMap<T>>(build, layouts, prefix);
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
  const bool by_runs = part.by_runs();
  T* const change = part.returns() ? apart_[0] : y;
  const T* const input = part.leaves() ? part.x : x;
  for (const Piece& piece : part.pieces)
    if (piece.there)
      piece.there->start(Way::forward, x + piece.step_at, part.x + piece.at, Fill::over);
  if (part.returns()) backend_.zero(part.elements, change);
  if (!by_runs) {
    for (const Piece& piece : part.pieces)
      if (piece.there) piece.there->finish();
    part.sublayer->forward(key, input, change);
  }
  for (const Piece& piece : part.pieces) {
    if (by_runs) {
      piece.there->finish();
      part.sublayer->forward(key, piece.tokens, input, change);
    }
    if (piece.back)
      piece.back->start(Way::backward, change + piece.at, y + piece.step_at, Fill::add);
  }
  for (const Piece& piece : part.pieces)
    if (piece.back) piece.back->finish();
}

template <class T>
void Stack<T>::backward(const DropoutKey& key, Part& part, const T* x, const T* dy, T* dx) {
  const bool by_runs = part.by_runs();
  T* const change = part.leaves() ? apart_[1] : dx;
  const T* const input = part.leaves() ? part.x : x;
  const std::vector<Piece> falling(part.pieces.rbegin(), part.pieces.rend());
  for (const Piece& piece : falling)
    if (piece.back)
      piece.back->start(Way::forward, dy + piece.step_at, apart_[0] + piece.at, Fill::over);
  if (part.returns()) dy = apart_[0];
  if (part.leaves()) backend_.zero(part.elements, change);
  if (!by_runs) {
    for (const Piece& piece : falling)
      if (piece.back) piece.back->finish();
    part.sublayer->backward(key, input, dy, change);
  }
  for (const Piece& piece : falling) {
    if (by_runs) {
      piece.back->finish();
      part.sublayer->backward(key, piece.tokens, input, dy, change);
    }
    if (piece.there)
      piece.there->start(Way::backward, change + piece.at, dx + piece.step_at, Fill::add);
  }
  if (!part.leaves()) return;
  part.sublayer->backward_weights(part.x);
  for (const Piece& piece : falling) piece.there->finish();
}

// What its backward left, unless that was done while its own gradient travelled.
template <class T>
void Stack<T>::add_to_weights(Part& part, const T* x) {
  if (!part.leaves()) part.sublayer->backward_weights(x);
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
  const auto start_back = [&](Move<T>* way, const Layout& to) {
    if (way == nullptr) return;
    T* into = dx == stream_[0] ? stream_[1] : stream_[0];
    if (to.cuts() == home_.cuts()) into = gradient;
    way->start(Way::backward, dx, into, Fill::over);
    dx = into;
  };
  if (lowest == steps_.size()) return;
  start_back(leave_, steps_.back().layout);
  if (leave_) leave_->finish();
  for (size_t i = steps_.size(); i-- > lowest;) {
    Step& step = steps_[i];
    const T* dy = dx;
    // A chained residual sublayer reads dy before it adds to dx, so both may be one buffer.
    if (!residual_ || step.parts.size() > 1) {
      backend_.copy(step.elements, dx, held_);
      dy = held_;
    }
    if (!residual_) backend_.zero(step.elements, dx);
    for (Part& part : step.parts) {
      backward(key, part, step.x, dy, dx);
      if (&part != &step.parts.back()) add_to_weights(part, step.x);
    }
    Move<T>* const there = i > 0 || to_input ? step.there : nullptr;
    start_back(there, layout_before(i));
    add_to_weights(step.parts.back(), step.x);
    if (there) there->finish();
  }
}

template class Stack<float>;
template class Stack<double>;

}  // namespace ortho
