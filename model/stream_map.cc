#include "model/stream_map.h"

#include <algorithm>

#include "core/error.h"
#include "model/layer.h"

namespace ortho {
namespace {

// Tokens that a causal map along `axis` reaches back.
std::int64_t tokens_back(const ModelSpec& spec, int axis) {
  const auto a = static_cast<size_t>(axis);
  return axis_reach(spec, spec.tokens[a]) * strides(spec.tokens)[a];
}

template <class T>
Nodes token_nodes(const Build<T>& build, std::int64_t channels) {
  return {1, build.sharding.windows(), channels, tensor_order(build.spec)};
}

}  // namespace

template <class T>
Ring<T>::Ring(Arena<T>& arena, std::int64_t size, std::int64_t elements)
    : size_(size),
      elements_(elements),
      rows_(arena.take(checked_product(size, elements), "earlier tokens")) {}

template <class T>
void Ring<T>::put(Backend<T>& backend, std::int64_t first, std::int64_t count, const T* x) {
  for (std::int64_t done = 0; done < count;) {
    const std::int64_t at = (first + done) % size_, run = std::min(count - done, size_ - at);
    backend.copy(run * elements_, x + done * elements_, rows_ + at * elements_);
    done += run;
  }
}

template <class T>
JointStream<T>::JointStream(const Build<T>& build, const LineMap& map, Param<T>& weight,
                            std::int64_t chunk)
    : nodes_(token_nodes(build, build.spec.channels)),
      out_(gated_width(build.spec)),
      steps_(joint_axes(build.spec), map),
      first_tap_(has_self(build.spec, map.axes.back()) ? 0 : 1),
      taps_(line_reach(build.spec, map) + 1),
      weight_(weight),
      backend_(build.backend),
      ring_(build.arena, steps_[taps_ - 1] + chunk, nodes_.elements()) {}

// By d, ascending, as JointMap adds them.
template <class T>
void JointStream<T>::run(const StreamPart& part, const T* h, T* z) {
  ring_.put(backend_, part.position, part.count, h);
  const std::int64_t end = part.position + part.count;
  if (first_tap_ > 0) backend_.zero(part.count * nodes_.batch * out_, z);
  for (std::int64_t d = first_tap_; d < taps_; ++d) {
    const std::int64_t shift = steps_[d], first = std::max(part.position, shift);
    if (first >= end) break;
    ring_.each_run(first - shift, end - first,
                   [&](std::int64_t offset, std::int64_t tokens, const T* rows) {
                     const std::int64_t to = first - part.position + offset;
                     backend_.channel_map(nodes_.with_tokens(tokens), out_, rows,
                                          weight_.value + d * nodes_.channels * out_,
                                          z + to * nodes_.batch * out_, d > 0);
                   });
  }
}

template <class T>
DenseStream<T>::DenseStream(const Build<T>& build, const std::string& block, std::int64_t chunk)
    : nodes_(token_nodes(build, build.spec.channels)),
      chained_(build.spec.combine != Combine::parallel),
      backend_(build.backend) {
  const ModelSpec& spec = build.spec;
  Arena<T>& arena = build.arena;
  if (spec.in) in_ = &build.params.at(block + ".in");
  const Nodes whole = {context(spec), nodes_.batch, layer_input_channels(spec), nodes_.order};
  std::int64_t widest = whole.channels, longest = 0, taps = 0;
  const std::vector<DenseMap> maps = layer_maps(spec, whole, single_output(spec));
  for (size_t i = 0; i < maps.size(); ++i) {
    const DenseMap& map = maps[i];
    Part part = {map, build.params.at(weight_name(spec, maps, i, block)).value, nullptr};
    if (map.on_channels()) {
      widest = std::max(widest, map.out);
    } else {
      const std::int64_t size = tokens_back(spec, map.axis) + chunk;
      if (chained_) part.ring = std::make_unique<Ring<T>>(arena, size, map.batch * map.channels);
      longest = std::max(longest, size);
      taps = std::max(taps, map.size());
    }
    parts_.push_back(std::move(part));
  }
  if (!chained_ && longest > 0)
    sum_ = std::make_unique<Ring<T>>(arena, longest, whole.batch * whole.channels);
  taps_.reserve(static_cast<size_t>(taps));
  if (in_) mapped_ = arena.take(chunk * whole.batch * whole.channels, "the layer's input");
  for (T*& between : between_)
    if (parts_.size() > 1 && chained_)
      between = arena.take(chunk * whole.batch * widest, "between a layer's maps");
}

template <class T>
void DenseStream<T>::run(const StreamPart& part, const T* h, T* z) {
  if (in_)
    backend_.channel_map(nodes_.with_tokens(part.count), parts_.front().map.channels, h, in_->value,
                         mapped_, false);
  const T* x = in_ ? mapped_ : h;
  if (sum_) sum_->put(backend_, part.position, part.count, x);
  for (size_t i = 0; i < parts_.size(); ++i) {
    T* const y = chained_ && i + 1 < parts_.size() ? between_[i % 2] : z;
    run_map(part, parts_[i], x, y, !chained_ && i > 0);
    if (chained_) x = y;
  }
}

template <class T>
void DenseStream<T>::run_map(const StreamPart& part, const Part& of, const T* x, T* y, bool add) {
  if (of.ring) of.ring->put(backend_, part.position, part.count, x);
  const Ring<T>* const ring = of.ring ? of.ring.get() : sum_.get();
  map_tokens(
      backend_, of.map, Range{part.position, part.position + part.count}, x,
      [&](std::int64_t token) { return ring->at(token); }, of.weight, y, add, taps_);
}

template class Ring<float>;
template class Ring<double>;
template class JointStream<float>;
template class JointStream<double>;
template class DenseStream<float>;
template class DenseStream<double>;

}  // namespace ortho
