#include "model/block.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace ortho {

template <class T>
Scratch<T> take_scratch(const Build<T>& build, std::int64_t rows) {
  const std::int64_t units = own_units(build.spec, build.sharding).size();
  Arena<T>& arena = build.arena;
  return {arena.take(rows * units, "f's output"), arena.take(rows * units, "its gradient"),
          arena.take(rows * own_gated_width(build.spec, build.sharding), "the map's gradient"),
          arena.take(rows * build.spec.channels, "the norm's gradient")};
}

template <class T>
Sublayer<T>::Sublayer(const Build<T>& build, const Layout& layout, const std::string& prefix,
                      std::uint64_t number, std::unique_ptr<BlockMap<T>> map,
                      const Scratch<T>& scratch)
    : norm_(build.spec.norm),
      units_(own_units(build.spec, build.sharding)),
      gate_{build.spec.activation, build.spec.gate,
            std::clamp(active_units(build.spec), units_.lo, units_.hi) - units_.lo},
      nodes_(build.sharding.local(layout, build.spec.channels)),
      hidden_(nodes_.with_channels(units_.size())),
      rows_(build.sharding.rows(layout)),
      number_(number),
      map_(std::move(map)),
      back_(resizes(build.spec) ? std::make_unique<WayBack<T>>(build, prefix) : nullptr),
      backend_(build.backend),
      scratch_(scratch) {
  const ModelSpec& spec = build.spec;
  if (norm_ != Norm::none) {
    gain_ = &build.params.at(prefix + ".gain");
    h_ = build.arena.take(nodes_.elements(), "normed input");
    stats_ = build.arena.take(2 * nodes_.rows(), "norm statistics");
  }
  if (spec.out) way_out_ = &build.params.at(prefix + (has_line_maps(spec) ? ".w2" : ".out"));
  const bool first = build.sharding.mesh().coordinate_along("channels", build.sharding.rank()) == 0;
  if (spec.bias) map_bias_ = &build.params.at(prefix + ".b1");
  if (spec.bias && spec.out && first) out_bias_ = &build.params.at(prefix + ".b2");
  if (back_) hidden_ = back_->input();
  if (back_) rows_ = back_->rows();
  z_ = build.arena.take(hidden_.rows() * own_gated_width(spec, build.sharding), "map output");
}

template <class T>
typename Sublayer<T>::Run Sublayer<T>::run(const Range& tokens) const {
  const Nodes hidden = back_ ? hidden_ : hidden_.with_tokens(tokens.size());
  return {tokens, nodes_.with_tokens(tokens.size()), hidden,
          hidden.with_channels(hidden.channels * (gate_.gate ? 2 : 1))};
}

// Runs are ranges of the outermost token axis, or all there is.
template <class T>
void Sublayer<T>::drop(const DropoutKey& key, const Run& run, T* q) {
  if (key.p == 0) return;
  const Random random(key.seed, "dropout", key.step, number_);
  HeldRows rows = rows_;
  if (run.tokens.size() < nodes_.tokens) {
    const std::int64_t step = nodes_.tokens / extent(rows.box)[0], first = rows.box.lo[0];
    rows.box.lo[0] = first + run.tokens.lo / step;
    rows.box.hi[0] = first + run.tokens.hi / step;
  }
  backend_.dropout(run.hidden, rows, {key.p, random, key.first_window, units_.lo},
                   q + run.at(run.hidden));
}

template <class T>
Nodes Sublayer<T>::units(const Run& run) const {
  return back_ ? back_->output() : run.hidden;
}

template <class T>
void Sublayer<T>::make_q(const DropoutKey& key, const Run& run) {
  T* const q = scratch_.q + run.at(run.hidden);
  backend_.activate(gate_, run.hidden, z_ + run.at(run.mapped), q);
  drop(key, run, scratch_.q);
  if (key.active_nodes == 1) return;
  const auto units = static_cast<double>(hidden_.channels);
  const std::int64_t kept = std::llround(key.active_nodes * units);
  backend_.keep_largest(run.hidden, std::max<std::int64_t>(1, kept), q);
}

template <class T>
void Sublayer<T>::forward(const DropoutKey& key, const Range& tokens, const T* x, T* y) {
  const Run run = this->run(tokens);
  const std::int64_t at = run.at(run.nodes);
  const T* const h = gain_ ? h_ : x;
  if (gain_)
    backend_.norm(norm_, run.nodes, kNormEpsilon, x + at, gain_->value, h_ + at, stats(run));
  if (run.nodes.tokens == nodes_.tokens)
    map_->forward(h, z_);
  else
    map_->forward_run(tokens, h, z_);
  if (map_bias_) backend_.add_bias(run.mapped, map_bias_->value, z_ + run.at(run.mapped));
  make_q(key, run);
  const T* q = scratch_.q + run.at(run.hidden);
  if (back_) {
    back_->forward(q);
    q = back_->result();
  }
  if (way_out_)
    backend_.channel_map(units(run), nodes_.channels, q, way_out_->value, y + at, true);
  else
    backend_.add(run.hidden.elements(), q, y + run.at(run.hidden));
  if (out_bias_) backend_.add_bias(run.nodes, out_bias_->value, y + at);
}

template <class T>
void Sublayer<T>::backward(const DropoutKey& key, const Range& tokens, const T* x, const T* dy,
                           T* dx) {
  const Run run = this->run(tokens);
  const std::int64_t at = run.at(run.nodes), at_hidden = run.at(run.hidden);
  T *const dq = scratch_.dq + at_hidden, *const dz = scratch_.dz + run.at(run.mapped);
  make_q(key, run);
  if (out_bias_ && out_bias_->trained) backend_.bias_dw(run.nodes, dy + at, out_bias_->grad);
  if (way_out_) {
    const std::int64_t c = nodes_.channels;
    const T* const q = back_ ? back_->result() : scratch_.q + at_hidden;
    T* const to = back_ ? back_->gradient() : dq;
    if (way_out_->trained) backend_.channel_map_dw(units(run), c, q, dy + at, way_out_->grad);
    backend_.channel_map_dx(units(run), c, dy + at, way_out_->value, to, false);
    if (back_) back_->backward(scratch_.q, scratch_.dq);
  } else {
    backend_.copy(run.hidden.elements(), dy + at_hidden, dq);
  }
  drop(key, run, scratch_.dq);
  backend_.activate_dz(gate_, run.hidden, z_ + run.at(run.mapped), dq, dz);
  if (map_bias_ && map_bias_->trained) backend_.bias_dw(run.mapped, dz, map_bias_->grad);
  if (run.nodes.tokens == nodes_.tokens)
    map_->backward(gain_ ? h_ : x, scratch_.dz, scratch_.dh);
  else
    map_->backward_run(tokens, scratch_.dz, scratch_.dh);
  if (gain_)
    backend_.norm_dx(norm_, run.nodes, x + at, gain_->value, stats(run), scratch_.dh + at, dx + at,
                     gain_->grad);
  else
    backend_.add(run.nodes.elements(), scratch_.dh + at, dx + at);
  if (gain_ && !gain_->trained) backend_.zero(gain_->size, gain_->grad);
}

template Scratch<float> take_scratch(const Build<float>&, std::int64_t);
template Scratch<double> take_scratch(const Build<double>&, std::int64_t);
template class Sublayer<float>;
template class Sublayer<double>;

}  // namespace ortho
