#include "model/attention_stream.h"

#include <algorithm>

namespace ortho {

template <class T>
AttentionStream<T>::AttentionStream(const Build<T>& build, const LineMap& map,
                                    const std::string& prefix, std::int64_t chunk)
    : nodes_{1, build.sharding.windows(), build.spec.channels, tensor_order(build.spec)},
      units_(build.spec.hidden),
      gated_(gated_width(build.spec)),
      query_(build.params.at(prefix + ".query")),
      key_(build.params.at(prefix + ".key")),
      value_(build.params.at(prefix + ".value")),
      bias_(build.params.at(prefix + ".bias")),
      backend_(build.backend) {
  const LineSteps steps(joint_axes(build.spec), map);
  for (std::int64_t d = 0; d < steps.count(); ++d) steps_.push_back(steps[d]);
  room_ = 2 * steps.largest() + chunk;
  attention_.batch = nodes_.batch;
  attention_.order = nodes_.order;
  attention_.heads = build.spec.heads;
  attention_.width = units_ / build.spec.heads;
  attention_.halves = gated_ / units_;
  for (const std::int64_t step : steps_) attention_.steps.push_back(-step);
  sources_.resize(static_cast<size_t>(3 * chunk));
  const std::int64_t rows = chunk * nodes_.batch, kept = checked_product(room_, nodes_.batch);
  q_ = build.arena.take(rows * units_, "queries");
  k_ = build.arena.take(checked_product(kept, units_), "keys of earlier tokens");
  v_ = build.arena.take(checked_product(kept, gated_), "values of earlier tokens");
  log_sum_ = build.arena.take(build.spec.heads * rows, "sums of softmaxes");
}

// Twice the reach lies between two moves of as many tokens as the reach.
template <class T>
void AttentionStream<T>::make_room(const StreamPart& part) {
  if (part.position == 0) first_ = 0;
  if (part.position + part.count - first_ <= room_) return;
  const std::int64_t kept = std::min(steps_.back(), part.position);
  const std::int64_t from = part.position - kept - first_;
  const auto move = [&](T* rows, std::int64_t width) {
    const std::int64_t token = nodes_.batch * width;
    std::copy(rows + from * token, rows + (from + kept) * token, rows);
  };
  move(k_, units_);
  move(v_, gated_);
  first_ = part.position - kept;
}

// A tap that reaches before the stream's beginning takes no part, as in AttentionMap.
template <class T>
void AttentionStream<T>::choose_sources(const StreamPart& part) {
  const auto count = static_cast<size_t>(part.count);
  const std::span<std::int32_t> all(sources_);
  for (std::int64_t i = 0; i < part.count; ++i) {
    const std::int64_t token = part.position + i;
    const auto heard = std::upper_bound(steps_.begin(), steps_.end(), token) - steps_.begin();
    all[static_cast<size_t>(i)] = static_cast<std::int32_t>(token - first_);
    all[count + static_cast<size_t>(i)] = static_cast<std::int32_t>(heard);
    all[2 * count + static_cast<size_t>(i)] = 0;
  }
  attention_.first = all.subspan(0, count);
  attention_.count = all.subspan(count, count);
  attention_.column = all.subspan(2 * count, count);
}

template <class T>
void AttentionStream<T>::run(const StreamPart& part, const T* h, T* z) {
  make_room(part);
  choose_sources(part);
  const Nodes nodes = nodes_.with_tokens(part.count);
  const std::int64_t at = (part.position - first_) * nodes_.batch;
  backend_.channel_map(nodes, units_, h, query_.value, q_, false);
  backend_.channel_map(nodes, units_, h, key_.value, k_ + at * units_, false);
  backend_.channel_map(nodes, gated_, h, value_.value, v_ + at * gated_, false);
  backend_.attend(attention_, q_, k_, v_, bias_.value, z, log_sum_);
}

template class AttentionStream<float>;
template class AttentionStream<double>;

}  // namespace ortho
