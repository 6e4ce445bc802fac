#include "model/joint_map.h"

#include <algorithm>

#include "core/error.h"

namespace ortho {

namespace {

// Columns of G whose taps look ahead, or back. Mirrored, a rank's units below the half of E look
// back in u and ahead in v, the others the other way round: so the gate crosses the directions.
std::vector<Range> columns_of(const ModelSpec& spec, const Range& units, bool ahead) {
  const std::int64_t own = units.size(), gated = spec.gate ? 2 * own : own;
  if (spec.wiring != Wiring::mirrored) return {{0, gated}};
  const std::int64_t half = std::clamp(spec.hidden / 2, units.lo, units.hi) - units.lo;
  if (ahead) return {{half, spec.gate ? own + half : own}};
  if (!spec.gate) return {{0, half}};
  return {{0, half}, {own + half, gated}};
}

}  // namespace

template <class T>
JointScratch<T> take_joint_scratch(const Build<T>& build, std::span<const JointSite> sites) {
  const ModelSpec& spec = build.spec;
  std::int64_t rows = 0, rows_between = 0, halo = 0;
  for (const JointSite& site : sites) {
    if (site.map.kind != MapKind::joint) continue;
    if (!carries(spec.wiring))
      rows = std::max(rows, build.sharding.local(site.layout, spec.channels).rows());
    const LineRows<T> lines(site_axes(build.spec, build.sharding, site), site.map, build.backend);
    if (lines.needs_between()) rows_between = rows;
    halo = std::max(halo, halo_elements(build.sharding, site, spec.channels));
  }
  const std::int64_t gated = own_gated_width(spec, build.sharding);
  return {build.arena.take(rows * spec.channels, "gathered lines"),
          build.arena.take(rows * gated, "mapped lines"),
          build.arena.take(rows_between * std::max(spec.channels, gated), "lines between passes"),
          build.arena.take(halo, "the halo's gradient"),
          take_open_room(build, spec.channels, gated)};
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
      parts_(build.segments),
      whole_(weight, build.backend, scratch.open) {
  const Sharding& sharding = build.sharding;
  ASSERT(steps_.count() == line_size(build.spec, site.map), name, " where a rank has lines of ",
         steps_.count(), " tokens");
  if (!carries(wiring_)) return;
  for (const bool ahead : {false, true}) {
    if (ahead && wiring_ != Wiring::mirrored) break;
    Direction direction{ahead};
    for (const Range& range : columns_of(build.spec, own_units(build.spec, sharding), ahead))
      if (range.size() > 0) direction.columns.push_back({backend_, out_, range});
    if (site.halo) add_halo(build, site, name, direction);
    directions_.push_back(std::move(direction));
  }
}

template <class T>
void JointMap<T>::add_halo(const Build<T>& build, const JointSite& site, const std::string& name,
                           Direction& direction) {
  const Sharding& sharding = build.sharding;
  Halo halo = *site.halo;
  halo.ahead = direction.ahead;
  const Shape tokens = sharding.local_tokens(site.layout);
  segments_ = elements(Shape(tokens.begin(), tokens.begin() + halo.first));
  reach_ = steps_[taps_ - 1];
  const std::int64_t size = halo_elements(sharding, site, nodes_.channels);
  ASSERT(size == segments_ * reach_ * nodes_.batch * nodes_.channels, "a halo of ", size,
         " elements for ", segments_, " x ", reach_, " tokens");
  direction.halo =
      build.moves.add_halo(sharding.nodes(nodes_.channels), sharding.whole_channels(site.layout),
                           halo, name + (halo.ahead ? ", halo ahead" : ", halo"));
  direction.halo_rows = build.arena.take(size, "halo");
}

template <class T>
void JointMap<T>::forward(const T* h, T* z) {
  if (parts_ && !parts_->empty()) return segments_forward(h, z);
  if (carries(wiring_)) {
    if (first_tap_ > 0) backend_.zero(nodes_.rows() * out_, z);
    for (const Direction& direction : directions_) taps_forward(direction, h, z);
    return;
  }
  rows_.gather(nodes_, h, scratch_.rows_in, scratch_.between);
  lines_forward();
  rows_.scatter(nodes_.with_channels(out_), scratch_.rows_out, z, scratch_.between);
}

template <class T>
void JointMap<T>::backward(const T* h, const T* dz, T* dh) {
  if (carries(wiring_)) {
    // Else own tap 0 of the first columns reaches every own row and comes first: it overwrites. A
    // rank may have no units that look back.
    if (first_tap_ > 0 || directions_.front().columns.empty()) backend_.zero(nodes_.elements(), dh);
    for (const Direction& direction : directions_) taps_backward(direction, h, dz, dh);
    return;
  }
  rows_.gather(nodes_.with_channels(out_), dz, scratch_.rows_out, scratch_.between);
  lines_backward();
  rows_.scatter(nodes_, scratch_.rows_in, dh, scratch_.between);
}

// That of the output is still in rows_out.
template <class T>
void JointMap<T>::backward_weights(const T* h, const T* dz) {
  if (!weight_.trained) return;
  for (const Direction& direction : directions_)
    if (!direction.halo) taps_backward_weight(direction, h, dz);
  if (carries(wiring_)) return;
  rows_.gather(nodes_, h, scratch_.rows_in, scratch_.between);
  lines_backward_weight();
}

// act(d, tokens, from, to): tap d leads from `tokens` tokens of h, the first of them `from`, to as
// many of z from `to` on. By d, ascending: the order of the sums.
template <class T>
template <class Act>
void JointMap<T>::each_own_tap(const Direction& direction, Act act) {
  const std::int64_t own = nodes_.tokens / segments_;
  for (std::int64_t d = first_tap_; d < taps_; ++d) {
    const std::int64_t shift = steps_[d];
    if (shift >= own) break;
    for (std::int64_t s = 0; s < segments_; ++s) {
      const std::int64_t early = s * own, late = early + shift;
      act(d, nodes_.with_tokens(own - shift), direction.ahead ? late : early,
          direction.ahead ? early : late);
    }
  }
}

// The same from tokens of the halo, which lies before the own tokens or after them. A rank has whole
// lines, so no tap reaches over all its tokens.
template <class T>
template <class Act>
void JointMap<T>::each_halo_tap(const Direction& direction, Act act) {
  const std::int64_t own = nodes_.tokens / segments_;
  for (std::int64_t d = 1; direction.halo && d < taps_; ++d) {
    const std::int64_t shift = steps_[d];
    for (std::int64_t s = 0; s < segments_; ++s)
      act(d, nodes_.with_tokens(shift), s * reach_ + (direction.ahead ? 0 : reach_ - shift),
          s * own + (direction.ahead ? own - shift : 0));
  }
}

template <class T>
auto JointMap<T>::forward_tap(const Direction& direction, const T* rows, T* z) {
  return [=, this, &direction](std::int64_t d, const Nodes& reached, std::int64_t from,
                               std::int64_t to) {
    const T* const h = rows + from * nodes_.batch * nodes_.channels;
    T* const into = z + to * nodes_.batch * out_;
    const std::int64_t first = d * nodes_.channels * out_;
    if (direction.makes_all()) return whole_.forward(reached, out_, first, h, into, d > 0);
    for (const Columns<T>& columns : direction.columns)
      columns.map(reached, h, weight_.value + first, into, d > 0);
  };
}

template <class T>
auto JointMap<T>::backward_tap(const Direction& direction, const T* dz, T* rows) {
  return [=, this, &direction](std::int64_t d, const Nodes& reached, std::int64_t from,
                               std::int64_t to) {
    const T* const dout = dz + to * nodes_.batch * out_;
    T* const into = rows + from * nodes_.batch * nodes_.channels;
    const std::int64_t first = d * nodes_.channels * out_;
    bool add = d > 0 || direction.ahead;
    if (direction.makes_all()) return whole_.backward_input(reached, out_, first, dout, into, add);
    for (const Columns<T>& columns : direction.columns) {
      columns.map_dx(reached, dout, weight_.value + first, into, add);
      add = true;
    }
  };
}

// An element's own taps are those with the smaller d: each sum is in the order of d, on any mesh.
template <class T>
void JointMap<T>::taps_forward(const Direction& direction, const T* h, T* z) {
  Move<T>* const halo = direction.halo;
  if (halo) halo->start(Way::forward, h, direction.halo_rows, Fill::over);
  each_own_tap(direction, forward_tap(direction, h, z));
  if (halo) halo->finish();
  each_halo_tap(direction, forward_tap(direction, direction.halo_rows, z));
}

template <class T>
bool JointMap<T>::by_runs() const {
  return wiring_ == Wiring::causal && !directions_.front().halo && !(parts_ && !parts_->empty());
}

// The taps that end in the run.
template <class T>
void JointMap<T>::forward_run(const Range& tokens, const T* h, T* z) {
  const auto act = forward_tap(directions_.front(), h, z);
  const std::int64_t out = nodes_.batch * out_;
  if (first_tap_ > 0) backend_.zero(tokens.size() * out, z + tokens.lo * out);
  for (std::int64_t d = first_tap_; d < taps_ && steps_[d] < tokens.hi; ++d) {
    const std::int64_t first = std::max(tokens.lo, steps_[d]);
    act(d, nodes_.with_tokens(tokens.hi - first), first - steps_[d], first);
  }
}

// The taps that begin in the run.
template <class T>
void JointMap<T>::backward_run(const Range& tokens, const T* dz, T* dh) {
  const auto act = backward_tap(directions_.front(), dz, dh);
  const std::int64_t in = nodes_.batch * nodes_.channels;
  if (first_tap_ > 0) backend_.zero(tokens.size() * in, dh + tokens.lo * in);
  for (std::int64_t d = first_tap_; d < taps_ && tokens.lo + steps_[d] < nodes_.tokens; ++d) {
    const std::int64_t end = std::min(tokens.hi, nodes_.tokens - steps_[d]);
    act(d, nodes_.with_tokens(end - tokens.lo), tokens.lo, tokens.lo + steps_[d]);
  }
}

// Each part of the window by itself: no tap leads into it.
template <class T>
void JointMap<T>::segments_forward(const T* h, T* z) {
  const std::int64_t in = nodes_.batch * nodes_.channels, out = nodes_.batch * out_;
  if (first_tap_ > 0) backend_.zero(nodes_.rows() * out_, z);
  for (const Range& part : *parts_)
    for (std::int64_t d = first_tap_; d < taps_ && steps_[d] < part.size(); ++d) {
      const std::int64_t shift = steps_[d];
      whole_.forward(nodes_.with_tokens(part.size() - shift), out_, d * nodes_.channels * out_,
                     h + part.lo * in, z + (part.lo + shift) * out, d > 0);
    }
}

// The halo's gradient travels home while the weights' is computed.
template <class T>
void JointMap<T>::taps_backward(const Direction& direction, const T* h, const T* dz, T* dh) {
  Move<T>* const halo = direction.halo;
  if (halo)
    backend_.zero(segments_ * reach_ * nodes_.batch * nodes_.channels, scratch_.halo_gradient);
  each_halo_tap(direction, backward_tap(direction, dz, scratch_.halo_gradient));
  each_own_tap(direction, backward_tap(direction, dz, dh));
  if (halo) halo->start(Way::backward, scratch_.halo_gradient, dh, Fill::add);
  if (halo && weight_.trained) taps_backward_weight(direction, h, dz);
  if (halo) halo->finish();
}

template <class T>
void JointMap<T>::taps_backward_weight(const Direction& direction, const T* h, const T* dz) {
  const std::int64_t in = nodes_.batch * nodes_.channels, out = nodes_.batch * out_;
  const auto to_weight = [&](const T* rows) {
    return [=, this, &direction](std::int64_t d, const Nodes& reached, std::int64_t from,
                                 std::int64_t to) {
      const std::int64_t first = d * nodes_.channels * out_;
      if (direction.makes_all())
        return whole_.backward_weight(reached, out_, first, rows + from * in, dz + to * out);
      for (const Columns<T>& columns : direction.columns)
        columns.map_dw(reached, rows + from * in, dz + to * out, weight_.grad + first);
    };
  };
  each_own_tap(direction, to_weight(h));
  each_halo_tap(direction, to_weight(direction.halo_rows));
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
void JointMap<T>::lines_backward() {
  const std::int64_t size = steps_.count(), rows = nodes_.rows() / size, c = nodes_.channels;
  const std::int64_t in = size * c, out = size * out_;
  if (hears_all())
    return backend_.gemm(Transpose::no, Transpose::yes, rows, in, out, scratch_.rows_out, out,
                         weight_.value, out, scratch_.rows_in, in, false);
  if (first_tap_ > 0) backend_.zero(rows * in, scratch_.rows_in);
  for (std::int64_t k = 0; k < size; ++k)
    each_run(k, wiring_ == Wiring::grid, true, [&](std::int64_t j, std::int64_t end, bool add) {
      backend_.gemm(Transpose::no, Transpose::yes, rows, c, (end - j) * out_,
                    scratch_.rows_out + j * out_, out, weight_.value + k * c * out + j * out_, out,
                    scratch_.rows_in + k * c, in, add);
    });
}

template <class T>
void JointMap<T>::lines_backward_weight() {
  const std::int64_t size = steps_.count(), rows = nodes_.rows() / size, c = nodes_.channels;
  const std::int64_t in = size * c, out = size * out_;
  if (hears_all())
    return backend_.gemm(Transpose::yes, Transpose::no, in, out, rows, scratch_.rows_in, in,
                         scratch_.rows_out, out, weight_.grad, out, true);
  for (std::int64_t j = 0; j < size; ++j)
    each_run(j, true, wiring_ == Wiring::grid, [&](std::int64_t k, std::int64_t end, bool) {
      backend_.gemm(Transpose::yes, Transpose::no, (end - k) * c, out_, rows,
                    scratch_.rows_in + k * c, in, scratch_.rows_out + j * out_, out,
                    weight_.grad + k * c * out + j * out_, out, true);
    });
}

template JointScratch<float> take_joint_scratch(const Build<float>&, std::span<const JointSite>);
template JointScratch<double> take_joint_scratch(const Build<double>&, std::span<const JointSite>);
template class JointMap<float>;
template class JointMap<double>;

}  // namespace ortho
