#include "model/attention_map.h"

#include <algorithm>

#include "core/error.h"

namespace ortho {
namespace {

// Heads of the units that this rank makes.
std::int64_t own_heads(const ModelSpec& spec, const Sharding& sharding) {
  return own_units(spec, sharding).size() / (spec.hidden / spec.heads);
}

// Rows of keys and values, those of the halo too.
std::int64_t key_rows(const ModelSpec& spec, const Sharding& sharding, const JointSite& site) {
  const Nodes own = sharding.local(site.layout, spec.channels);
  return own.rows() + halo_elements(sharding, site, 1);
}

// Calls act(coordinates in the part, token of the window) for each token of a Box of the window.
template <class Act>
void for_each_token(const Shape& axes, const Box& box, Act act) {
  const Shape part = extent(box);
  const Index step = strides(axes);
  Index at(axes.size(), 0);
  for (std::int64_t left = elements(part); left > 0; --left) {
    std::int64_t token = 0;
    for (size_t i = 0; i < at.size(); ++i) token += (box.lo[i] + at[i]) * step[i];
    act(at, token);
    for (size_t i = at.size(); i-- > 0;) {
      if (++at[i] < part[i]) break;
      at[i] = 0;
    }
  }
}

}  // namespace

template <class T>
AttentionScratch<T> take_attention_scratch(const Build<T>& build,
                                           std::span<const JointSite> sites) {
  const ModelSpec& spec = build.spec;
  const Sharding& sharding = build.sharding;
  Arena<T>& arena = build.arena;
  std::int64_t rows = 0, keys = 0, halo = 0, line = 0;
  for (const JointSite& site : sites) {
    if (site.map.kind != MapKind::attention) continue;
    rows = std::max(rows, sharding.local(site.layout, spec.channels).rows());
    keys = std::max(keys, key_rows(spec, sharding, site));
    halo = std::max(halo, halo_elements(sharding, site, spec.channels));
    line = std::max(line, line_size(spec, site.map));
  }
  const std::int64_t units = own_units(spec, sharding).size();
  return {arena.take(rows * units, "the queries' gradient"),
          arena.take(keys * units, "the keys' gradient"),
          arena.take(keys * own_gated_width(spec, sharding), "the values' gradient"),
          arena.take(halo, "the halo's gradient"),
          arena.take(own_heads(spec, sharding) * 2 * line, "a softmax")};
}

template <class T>
AttentionMap<T>::AttentionMap(const Build<T>& build, const JointSite& site,
                              const AttentionScratch<T>& scratch, const std::string& prefix)
    : nodes_(build.sharding.local(build.sharding.whole_channels(site.layout), build.spec.channels)),
      units_(own_units(build.spec, build.sharding).size()),
      gated_(own_gated_width(build.spec, build.sharding)),
      query_(build.params.at(prefix + ".query")),
      key_(build.params.at(prefix + ".key")),
      value_(build.params.at(prefix + ".value")),
      bias_(build.params.at(prefix + ".bias")),
      backend_(build.backend),
      scratch_(scratch),
      parts_(build.segments) {
  const Sharding& sharding = build.sharding;
  if (site.halo) {
    const Shape tokens = sharding.local_tokens(site.layout);
    segments_ = elements(Shape(tokens.begin(), tokens.begin() + site.halo->first));
    reach_ = LineSteps(tokens, site.map).largest();
    const Layout whole = sharding.whole_channels(site.layout);
    halo_ =
        build.moves.add_halo(sharding.nodes(nodes_.channels), whole, *site.halo, prefix + ", halo");
    halo_rows_ = build.arena.take(halo_elements(sharding, site, nodes_.channels), "halo");
  }
  take_sources(build, site);
  const std::int64_t keys = key_rows(build.spec, sharding, site);
  ASSERT(keys == (nodes_.tokens + segments_ * reach_) * nodes_.batch, keys, " rows of keys");
  q_ = build.arena.take(nodes_.rows() * units_, "queries");
  k_ = build.arena.take(keys * units_, "keys");
  v_ = build.arena.take(keys * gated_, "values");
  log_sum_ = build.arena.take(attention_.heads * nodes_.rows(), "sums of softmaxes");
}

// Who sees whom: see tensor/attention.h.
template <class T>
void AttentionMap<T>::take_sources(const Build<T>& build, const JointSite& site) {
  const ModelSpec& spec = build.spec;
  const bool causal = spec.wiring == Wiring::causal;
  const Shape axes = joint_axes(spec), part = site_axes(spec, build.sharding, site);
  const LineSteps steps(part, site.map), window_steps(axes, site.map);
  attention_.batch = nodes_.batch;
  attention_.order = nodes_.order;
  attention_.heads = own_heads(spec, build.sharding);
  attention_.width = spec.hidden / spec.heads;
  attention_.halves = gated_ / units_;
  attention_.columns = causal ? 1 : steps.count();
  std::int32_t* const rows = build.arena.take_rows(3 * nodes_.tokens, "what tokens attend to");
  if (build.arena.measuring()) return;

  for (std::int64_t i = 0; i < steps.count(); ++i) {
    attention_.steps.push_back(causal ? -steps[i] : steps[i]);
    taps_.push_back(window_steps[i]);
  }
  const auto tokens = static_cast<size_t>(nodes_.tokens);
  attention_.first = {rows, tokens};
  attention_.count = {rows + tokens, tokens};
  counts_ = rows + tokens;
  attention_.column = {rows + 2 * tokens, tokens};
  const std::int64_t segment = nodes_.tokens / segments_;
  Box box = whole(axes);
  if (!spec.tokens.empty()) {
    const Box nodes = build.sharding.box(site.layout, 1);
    std::copy_n(nodes.lo.begin(), axes.size(), box.lo.begin());
    std::copy_n(nodes.hi.begin(), axes.size(), box.hi.begin());
  }
  std::int64_t t = 0;
  for_each_token(axes, box, [&](const Index& at, std::int64_t token) {
    std::int64_t in_line = 0;
    for (const int axis : site.map.axes)
      in_line = in_line * axes[static_cast<size_t>(axis)] + at[static_cast<size_t>(axis)];
    std::int64_t first = t + (t / segment + 1) * reach_, count = 1, column = 0;
    if (causal) {
      count = std::upper_bound(taps_.begin(), taps_.end(), token) - taps_.begin();
    } else {
      first -= steps[in_line];
      count = spec.wiring == Wiring::grid ? steps.count() : in_line + 1;
      column = in_line;
    }
    rows[t] = static_cast<std::int32_t>(first);
    rows[nodes_.tokens + t] = static_cast<std::int32_t>(count);
    rows[2 * nodes_.tokens + t] = static_cast<std::int32_t>(column);
    ++t;
  });
}

// Where prompts share a window, whole on this rank: a tap that reaches before a prompt's first
// token takes no part.
template <class T>
void AttentionMap<T>::hear_own_prompts() {
  const bool cut = parts_ != nullptr && !parts_->empty();
  if (!cut && !cut_) return;
  const Segments whole = {{0, nodes_.tokens}};
  for (const Range& part : cut ? *parts_ : whole)
    for (std::int64_t t = part.lo; t < part.hi; ++t)
      counts_[t] = static_cast<std::int32_t>(
          std::upper_bound(taps_.begin(), taps_.end(), t - part.lo) - taps_.begin());
  cut_ = cut;
}

// act(nodes, from, key): of a segment's own tokens, or its halo's; `from` is the first row's token
// in h, or in the halo, and `key` among the keys.
template <class T>
template <class Act>
void AttentionMap<T>::each_own_run(Act act) {
  const std::int64_t own = nodes_.tokens / segments_;
  for (std::int64_t s = 0; s < segments_; ++s)
    act(nodes_.with_tokens(own), s * own, s * own + (s + 1) * reach_);
}

template <class T>
template <class Act>
void AttentionMap<T>::each_halo_run(Act act) {
  const std::int64_t own = nodes_.tokens / segments_;
  for (std::int64_t s = 0; halo_ && s < segments_; ++s)
    act(nodes_.with_tokens(reach_), s * reach_, s * (own + reach_));
}

template <class T>
void AttentionMap<T>::forward(const T* h, T* z) {
  const std::int64_t c = nodes_.batch * nodes_.channels, e = nodes_.batch * units_,
                     g = nodes_.batch * gated_;
  hear_own_prompts();
  const auto keys_and_values = [&](const T* rows) {
    return [=, this](const Nodes& nodes, std::int64_t from, std::int64_t key) {
      backend_.channel_map(nodes, units_, rows + from * c, key_.value, k_ + key * e, false);
      backend_.channel_map(nodes, gated_, rows + from * c, value_.value, v_ + key * g, false);
    };
  };
  if (halo_) halo_->start(Way::forward, h, halo_rows_, Fill::over);
  backend_.channel_map(nodes_, units_, h, query_.value, q_, false);
  each_own_run(keys_and_values(h));
  if (halo_) halo_->finish();
  each_halo_run(keys_and_values(halo_rows_));
  backend_.attend(attention_, q_, k_, v_, bias_.value, z, log_sum_);
}

// The halo's gradient travels home while the weights' is computed.
template <class T>
void AttentionMap<T>::backward(const T* h, const T* dz, T* dh) {
  const std::int64_t c = nodes_.batch * nodes_.channels, e = nodes_.batch * units_,
                     g = nodes_.batch * gated_;
  const std::int64_t keys = nodes_.tokens + segments_ * reach_;
  backend_.zero(keys * e, scratch_.key);
  backend_.zero(keys * g, scratch_.value);
  backend_.attend_back(attention_, q_, k_, v_, bias_.value, log_sum_, dz, scratch_.query,
                       scratch_.key, scratch_.value, bias_.grad, scratch_.softmax);
  if (!bias_.trained) backend_.zero(bias_.size, bias_.grad);
  const auto to_input = [&](T* rows, bool add) {
    return [=, this](const Nodes& nodes, std::int64_t from, std::int64_t key) {
      T* const into = rows + from * c;
      backend_.channel_map_dx(nodes, units_, scratch_.key + key * e, key_.value, into, add);
      backend_.channel_map_dx(nodes, gated_, scratch_.value + key * g, value_.value, into, true);
    };
  };
  each_halo_run(to_input(scratch_.halo, false));
  backend_.channel_map_dx(nodes_, units_, scratch_.query, query_.value, dh, false);
  each_own_run(to_input(dh, true));
  if (halo_) halo_->start(Way::backward, scratch_.halo, dh, Fill::add);
  if (halo_) add_to_weights(h);
  if (halo_) halo_->finish();
}

template <class T>
void AttentionMap<T>::backward_weights(const T* h, const T*) {
  if (!halo_) add_to_weights(h);
}

template <class T>
void AttentionMap<T>::add_to_weights(const T* h) {
  const std::int64_t c = nodes_.batch * nodes_.channels, e = nodes_.batch * units_,
                     g = nodes_.batch * gated_;
  const auto to_weights = [&](const T* rows) {
    return [=, this](const Nodes& nodes, std::int64_t from, std::int64_t key) {
      const T* const of = rows + from * c;
      if (key_.trained)
        backend_.channel_map_dw(nodes, units_, of, scratch_.key + key * e, key_.grad);
      if (value_.trained)
        backend_.channel_map_dw(nodes, gated_, of, scratch_.value + key * g, value_.grad);
    };
  };
  if (query_.trained) backend_.channel_map_dw(nodes_, units_, h, scratch_.query, query_.grad);
  each_own_run(to_weights(h));
  each_halo_run(to_weights(halo_rows_));
}

template AttentionScratch<float> take_attention_scratch(const Build<float>&,
                                                        std::span<const JointSite>);
template AttentionScratch<double> take_attention_scratch(const Build<double>&,
                                                         std::span<const JointSite>);
template class AttentionMap<float>;
template class AttentionMap<double>;

}  // namespace ortho
