#include "model/joint_map.h"

#include <algorithm>

#include "core/error.h"

namespace ortho {

template <class T>
JointScratch<T> take_joint_scratch(const Build<T>& build, std::span<const JointSite> sites) {
  const ModelSpec& spec = build.spec;
  std::int64_t rows = 0, rows_between = 0, halo = 0;
  for (const JointSite& site : sites) {
    if (site.map.kind != MapKind::joint) continue;
    if (spec.wiring != Wiring::causal)
      rows = std::max(rows, build.sharding.local(site.layout, spec.channels).rows());
    const LineRows<T> lines(site_axes(build.spec, build.sharding, site), site.map, build.backend);
    if (lines.needs_between()) rows_between = rows;
    halo = std::max(halo, halo_elements(build.sharding, site, spec.channels));
  }
  const std::int64_t gated = own_gated_width(spec, build.sharding);
  return {build.arena.take(rows * spec.channels, "gathered lines"),
          build.arena.take(rows * gated, "mapped lines"),
          build.arena.take(rows_between * std::max(spec.channels, gated), "lines between passes"),
          build.arena.take(halo, "the halo's gradient")};
}

template <class T>
JointMap<T>::JointMap(const Build<T>& build, const JointSite& site, Param<T>& weight,
                      const JointScratch<T>& scratch, const std::string& name)
    : wiring_(build.spec.wiring),
      first_tap_(has_self(build.spec, site.map.axes.back()) ? 0 : 1),
      taps_(line_reach(build.spec, site.map) + 1),
      steps_(site_axes(build.spec, build.sharding, site), site.map),
      rows_(site_axes(build.spec, build.sharding, site), site.map, build.backend),
      nodes_(build.sharding.local(build.sharding.whole_channels(site.layout), build.spec.channels)),
      out_(own_gated_width(build.spec, build.sharding)),
      weight_(weight),
      backend_(build.backend),
      scratch_(scratch),
      parts_(build.segments) {
  const Sharding& sharding = build.sharding;
  ASSERT(steps_.count() == line_size(build.spec, site.map), name, " where a rank has lines of ",
         steps_.count(), " tokens");
  if (!site.halo) return;
  const Shape tokens = sharding.local_tokens(site.layout);
  segments_ = elements(Shape(tokens.begin(), tokens.begin() + site.halo->first));
  reach_ = steps_[taps_ - 1];
  const std::int64_t size = halo_elements(sharding, site, nodes_.channels);
  ASSERT(size == segments_ * reach_ * nodes_.batch * nodes_.channels, "a halo of ", size,
         " elements for ", segments_, " x ", reach_, " tokens");
  halo_ = build.moves.add_halo(sharding.nodes(nodes_.channels),
                               sharding.whole_channels(site.layout), *site.halo, name + ", halo");
  halo_rows_ = build.arena.take(size, "halo");
}

template <class T>
void JointMap<T>::forward(const T* h, T* z) {
  if (parts_ && !parts_->empty()) return segments_forward(h, z);
  if (wiring_ == Wiring::causal) return causal_forward(h, z);
  rows_.gather(nodes_, h, scratch_.rows_in, scratch_.between);
  lines_forward();
  rows_.scatter(nodes_.with_channels(out_), scratch_.rows_out, z, scratch_.between);
}

template <class T>
void JointMap<T>::backward(const T* h, const T* dz, T* dh) {
  if (wiring_ == Wiring::causal) return causal_backward(h, dz, dh);
  rows_.gather(nodes_, h, scratch_.rows_in, scratch_.between);
  rows_.gather(nodes_.with_channels(out_), dz, scratch_.rows_out, scratch_.between);
  lines_backward(scratch_.rows_in);
  rows_.scatter(nodes_, scratch_.rows_in, dh, scratch_.between);
}

// act(d, tokens, from, to): tap d leads from `tokens` tokens of h, the first of them `from`, to as
// many of z from `to` on. By d, ascending: the order of the sums.
template <class T>
template <class Act>
void JointMap<T>::each_own_tap(Act act) {
  const std::int64_t own = nodes_.tokens / segments_;
  for (std::int64_t d = first_tap_; d < taps_; ++d) {
    const std::int64_t shift = steps_[d];
    if (shift >= own) break;
    for (std::int64_t s = 0; s < segments_; ++s)
      act(d, nodes_.with_tokens(own - shift), s * own, s * own + shift);
    if (halo_) halo_->progress();
  }
}

// The same from tokens of the halo. A rank has whole lines, so no tap reaches over all its tokens.
template <class T>
template <class Act>
void JointMap<T>::each_halo_tap(Act act) {
  const std::int64_t own = nodes_.tokens / segments_;
  for (std::int64_t d = 1; halo_ && d < taps_; ++d) {
    const std::int64_t shift = steps_[d];
    for (std::int64_t s = 0; s < segments_; ++s)
      act(d, nodes_.with_tokens(shift), s * reach_ + reach_ - shift, s * own);
  }
}

// An element's own taps are those with the smaller d: each sum is in the order of d, on any mesh.
template <class T>
void JointMap<T>::causal_forward(const T* h, T* z) {
  const std::int64_t in = nodes_.batch * nodes_.channels, out = nodes_.batch * out_;
  const auto tap = [&](const T* rows) {
    return [=, this](std::int64_t d, const Nodes& reached, std::int64_t from, std::int64_t to) {
      backend_.channel_map(reached, out_, rows + from * in,
                           weight_.value + d * nodes_.channels * out_, z + to * out, d > 0);
    };
  };
  if (first_tap_ > 0) backend_.zero(nodes_.rows() * out_, z);
  if (halo_) halo_->start(Way::forward, h, halo_rows_, Fill::over);
  each_own_tap(tap(h));
  if (halo_) halo_->finish();
  each_halo_tap(tap(halo_rows_));
}

// Each part of the window by itself: no tap leads into it.
template <class T>
void JointMap<T>::segments_forward(const T* h, T* z) {
  const std::int64_t in = nodes_.batch * nodes_.channels, out = nodes_.batch * out_;
  if (first_tap_ > 0) backend_.zero(nodes_.rows() * out_, z);
  for (const Range& part : *parts_)
    for (std::int64_t d = first_tap_; d < taps_ && steps_[d] < part.size(); ++d) {
      const std::int64_t shift = steps_[d];
      backend_.channel_map(nodes_.with_tokens(part.size() - shift), out_, h + part.lo * in,
                           weight_.value + d * nodes_.channels * out_, z + (part.lo + shift) * out,
                           d > 0);
    }
}

// The halo's gradient travels home while the weights' is computed.
template <class T>
void JointMap<T>::causal_backward(const T* h, const T* dz, T* dh) {
  const std::int64_t in = nodes_.batch * nodes_.channels, out = nodes_.batch * out_;
  // Own tap 0 reaches every own row and comes first: it overwrites.
  const auto to_input = [&](T* rows) {
    return [=, this](std::int64_t d, const Nodes& reached, std::int64_t from, std::int64_t to) {
      backend_.channel_map_dx(reached, out_, dz + to * out,
                              weight_.value + d * nodes_.channels * out_, rows + from * in, d > 0);
    };
  };
  const auto to_weight = [&](const T* rows) {
    return [=, this](std::int64_t d, const Nodes& reached, std::int64_t from, std::int64_t to) {
      backend_.channel_map_dw(reached, out_, rows + from * in, dz + to * out,
                              weight_.grad + d * nodes_.channels * out_);
    };
  };
  if (first_tap_ > 0) backend_.zero(nodes_.elements(), dh);
  if (halo_) backend_.zero(segments_ * reach_ * in, scratch_.halo_gradient);
  each_halo_tap(to_input(scratch_.halo_gradient));
  each_own_tap(to_input(dh));
  if (halo_) halo_->start(Way::backward, scratch_.halo_gradient, dh, Fill::add);
  each_own_tap(to_weight(h));
  each_halo_tap(to_weight(halo_rows_));
  if (halo_) halo_->finish();
}

template <class T>
template <class Act>
void JointMap<T>::each_run(std::int64_t at, bool before, bool behind, Act act) const {
  const std::int64_t first = before ? std::max<std::int64_t>(0, at - taps_ + 1) : at;
  const std::int64_t end = behind ? std::min(steps_.count(), at + taps_) : at + 1;
  if (first_tap_ == 0) return act(first, end, false);
  if (first < at) act(first, at, false);
  if (at + 1 < end) act(at + 1, end, first < at);
}

// One product for all outputs where every one of them hears all inputs.
template <class T>
void JointMap<T>::lines_forward() {
  const std::int64_t size = steps_.count(), rows = nodes_.rows() / size, c = nodes_.channels;
  const std::int64_t in = size * c, out = size * out_;
  if (hears_all())
    return backend_.gemm(Transpose::no, Transpose::no, rows, out, in, scratch_.rows_in, in,
                         weight_.value, out, scratch_.rows_out, out, false);
  if (first_tap_ > 0) backend_.zero(rows * out, scratch_.rows_out);
  for (std::int64_t j = 0; j < size; ++j)
    each_run(j, true, wiring_ == Wiring::grid, [&](std::int64_t k, std::int64_t end, bool add) {
      backend_.gemm(Transpose::no, Transpose::no, rows, out_, (end - k) * c,
                    scratch_.rows_in + k * c, in, weight_.value + k * c * out + j * out_, out,
                    scratch_.rows_out + j * out_, out, add);
    });
}

template <class T>
void JointMap<T>::lines_backward(T* drows_in) {
  const std::int64_t size = steps_.count(), rows = nodes_.rows() / size, c = nodes_.channels;
  const std::int64_t in = size * c, out = size * out_;
  const bool grid = wiring_ == Wiring::grid;
  // The weights' gradient first: drows_in may be scratch_.rows_in itself.
  if (hears_all()) {
    backend_.gemm(Transpose::yes, Transpose::no, in, out, rows, scratch_.rows_in, in,
                  scratch_.rows_out, out, weight_.grad, out, true);
    return backend_.gemm(Transpose::no, Transpose::yes, rows, in, out, scratch_.rows_out, out,
                         weight_.value, out, drows_in, in, false);
  }
  for (std::int64_t j = 0; j < size; ++j)
    each_run(j, true, grid, [&](std::int64_t k, std::int64_t end, bool) {
      backend_.gemm(Transpose::yes, Transpose::no, (end - k) * c, out_, rows,
                    scratch_.rows_in + k * c, in, scratch_.rows_out + j * out_, out,
                    weight_.grad + k * c * out + j * out_, out, true);
    });
  if (first_tap_ > 0) backend_.zero(rows * in, drows_in);
  for (std::int64_t k = 0; k < size; ++k)
    each_run(k, grid, true, [&](std::int64_t j, std::int64_t end, bool add) {
      backend_.gemm(Transpose::no, Transpose::yes, rows, c, (end - j) * out_,
                    scratch_.rows_out + j * out_, out, weight_.value + k * c * out + j * out_, out,
                    drows_in + k * c, in, add);
    });
}

template JointScratch<float> take_joint_scratch(const Build<float>&, std::span<const JointSite>);
template JointScratch<double> take_joint_scratch(const Build<double>&, std::span<const JointSite>);
template class JointMap<float>;
template class JointMap<double>;

}  // namespace ortho
