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
void Sublayer<T>::drop(const DropoutKey& key, T* q) {
  if (key.p == 0) return;
  const Random random(key.seed, "dropout", key.step, number_);
  backend_.dropout(hidden_, rows_, {key.p, random, key.first_window, units_.lo}, q);
}

template <class T>
Nodes Sublayer<T>::units() const {
  return back_ ? back_->output() : hidden_;
}

template <class T>
Nodes Sublayer<T>::mapped() const {
  return hidden_.with_channels(hidden_.channels * (gate_.gate ? 2 : 1));
}

template <class T>
void Sublayer<T>::make_q(const DropoutKey& key) {
  backend_.activate(gate_, hidden_, z_, scratch_.q);
  drop(key, scratch_.q);
  if (key.active_nodes == 1) return;
  const auto units = static_cast<double>(hidden_.channels);
  const std::int64_t kept = std::llround(key.active_nodes * units);
  backend_.keep_largest(hidden_, std::max<std::int64_t>(1, kept), scratch_.q);
}

template <class T>
void Sublayer<T>::forward(const DropoutKey& key, const T* x, T* y) {
  const T* h = x;
  if (gain_) {
    backend_.norm(norm_, nodes_, kNormEpsilon, x, gain_->value, h_, stats_);
    h = h_;
  }
  map_->forward(h, z_);
  if (map_bias_) backend_.add_bias(mapped(), map_bias_->value, z_);
  make_q(key);
  const T* q = scratch_.q;
  if (back_) {
    back_->forward(q);
    q = back_->result();
  }
  if (way_out_)
    backend_.channel_map(units(), nodes_.channels, q, way_out_->value, y, true);
  else
    backend_.add(hidden_.elements(), scratch_.q, y);
  if (out_bias_) backend_.add_bias(nodes_, out_bias_->value, y);
}

template <class T>
void Sublayer<T>::backward(const DropoutKey& key, const T* x, const T* dy, T* dx) {
  make_q(key);
  if (out_bias_ && out_bias_->trained) backend_.bias_dw(nodes_, dy, out_bias_->grad);
  if (way_out_) {
    const T* q = back_ ? back_->result() : scratch_.q;
    T* const dq = back_ ? back_->gradient() : scratch_.dq;
    if (way_out_->trained) backend_.channel_map_dw(units(), nodes_.channels, q, dy, way_out_->grad);
    backend_.channel_map_dx(units(), nodes_.channels, dy, way_out_->value, dq, false);
    if (back_) back_->backward(scratch_.q, scratch_.dq);
  } else {
    backend_.copy(hidden_.elements(), dy, scratch_.dq);
  }
  drop(key, scratch_.dq);
  backend_.activate_dz(gate_, hidden_, z_, scratch_.dq, scratch_.dz);
  if (map_bias_ && map_bias_->trained) backend_.bias_dw(mapped(), scratch_.dz, map_bias_->grad);
  map_->backward(gain_ ? h_ : x, scratch_.dz, scratch_.dh);
  if (gain_)
    backend_.norm_dx(norm_, nodes_, x, gain_->value, stats_, scratch_.dh, dx, gain_->grad);
  else
    backend_.add(nodes_.elements(), scratch_.dh, dx);
  if (gain_ && !gain_->trained) backend_.zero(gain_->size, gain_->grad);
}

template Scratch<float> take_scratch(const Build<float>&, std::int64_t);
template Scratch<double> take_scratch(const Build<double>&, std::int64_t);
template class Sublayer<float>;
template class Sublayer<double>;

}  // namespace ortho
