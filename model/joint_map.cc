#include "model/joint_map.h"

#include <algorithm>

#include "core/error.h"

namespace ortho {

namespace {

// Its lines in this rank's part. Without token axes there is one line of one token.
template <class T>
Lines local_lines(const Build<T>& build, const JointSite& site) {
  const Shape axes =
      build.spec.tokens.empty() ? joint_axes(build.spec) : build.sharding.local_tokens(site.layout);
  const auto axis = static_cast<size_t>(site.axis);
  const std::int64_t stride = strides(axes)[axis];
  return {elements(axes) / (axes[axis] * stride), axes[axis], stride};
}

}  // namespace

template <class T>
JointScratch<T> take_joint_scratch(const Build<T>& build, std::span<const JointSite> sites) {
  const ModelSpec& spec = build.spec;
  std::int64_t rows = 0, halo = 0;
  for (const JointSite& site : sites) {
    if (spec.wiring != Wiring::causal)
      rows = std::max(rows, build.sharding.local(site.layout, spec.channels).rows());
    halo = std::max(halo, halo_elements(build.sharding, site, spec.channels));
  }
  return {build.arena.take(rows * spec.channels, "gathered lines"),
          build.arena.take(rows * own_gated_width(spec, build.sharding), "mapped lines"),
          build.arena.take(halo, "the halo's gradient")};
}

template <class T>
JointMap<T>::JointMap(const Build<T>& build, const JointSite& site, Param<T>& weight,
                      const JointScratch<T>& scratch, const std::string& name)
    : wiring_(build.spec.wiring),
      lines_(local_lines(build, site)),
      nodes_(build.sharding.local(build.sharding.whole_channels(site.layout), build.spec.channels)),
      out_(own_gated_width(build.spec, build.sharding)),
      weight_(weight),
      backend_(build.backend),
      scratch_(scratch) {
  const Sharding& sharding = build.sharding;
  ASSERT(lines_.size == joint_axes(build.spec)[static_cast<size_t>(site.axis)], "a map along axis ",
         site.axis, " where a rank has ", lines_.size, " of it");
  if (!site.halo) return;
  const Shape tokens = sharding.local_tokens(site.layout);
  segments_ = elements(Shape(tokens.begin(), tokens.begin() + site.halo->first));
  reach_ = site.halo->rows * lines_.stride;
  const std::int64_t size = halo_elements(sharding, site, nodes_.channels);
  ASSERT(size == segments_ * reach_ * nodes_.batch * nodes_.channels, "a halo of ", size,
         " elements for ", segments_, " x ", reach_, " tokens");
  halo_ = build.moves.add_halo(sharding.nodes(nodes_.channels),
                               sharding.whole_channels(site.layout), *site.halo, name + ", halo");
  halo_rows_ = build.arena.take(size, "halo");
}

template <class T>
void JointMap<T>::forward(const T* h, T* z) {
  if (wiring_ == Wiring::causal) return causal_forward(h, z);
  backend_.gather_lines(nodes_, lines_, h, scratch_.rows_in);
  lines_forward();
  backend_.scatter_lines(nodes_.with_channels(out_), lines_, scratch_.rows_out, z, false);
}

template <class T>
void JointMap<T>::backward(const T* h, const T* dz, T* dh) {
  if (wiring_ == Wiring::causal) return causal_backward(h, dz, dh);
  backend_.gather_lines(nodes_, lines_, h, scratch_.rows_in);
  backend_.gather_lines(nodes_.with_channels(out_), lines_, dz, scratch_.rows_out);
  lines_backward(scratch_.rows_in);
  backend_.scatter_lines(nodes_, lines_, scratch_.rows_in, dh, false);
}

// act(d, tokens, from, to): tap d leads from `tokens` tokens of h, the first of them `from`, to as
// many of z from `to` on. By d, ascending: the order of the sums.
template <class T>
template <class Act>
void JointMap<T>::each_own_tap(Act act) {
  const std::int64_t own = nodes_.tokens / segments_;
  for (std::int64_t d = 0; d < lines_.size; ++d) {
    const std::int64_t shift = d * lines_.stride;
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
  for (std::int64_t d = 1; halo_ && d < lines_.size; ++d) {
    const std::int64_t shift = d * lines_.stride;
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
  if (halo_) halo_->start(Way::forward, h, halo_rows_, Fill::over);
  each_own_tap(tap(h));
  if (halo_) halo_->finish();
  each_halo_tap(tap(halo_rows_));
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
  if (halo_) backend_.zero(segments_ * reach_ * in, scratch_.halo_gradient);
  each_halo_tap(to_input(scratch_.halo_gradient));
  each_own_tap(to_input(dh));
  if (halo_) halo_->start(Way::backward, scratch_.halo_gradient, dh, Fill::add);
  if (weight_.trained) {
    each_own_tap(to_weight(h));
    each_halo_tap(to_weight(halo_rows_));
  }
  if (halo_) halo_->finish();
}

template <class T>
void JointMap<T>::lines_forward() {
  const std::int64_t rows = lines_.outer * lines_.stride * nodes_.batch;
  const std::int64_t in = lines_.size * nodes_.channels, out = lines_.size * out_;
  if (wiring_ == Wiring::grid)
    return backend_.gemm(Transpose::no, Transpose::no, rows, out, in, scratch_.rows_in, in,
                         weight_.value, out, scratch_.rows_out, out, false);
  for (std::int64_t j = 0; j < lines_.size; ++j)
    backend_.gemm(Transpose::no, Transpose::no, rows, out_, (j + 1) * nodes_.channels,
                  scratch_.rows_in, in, weight_.value + j * out_, out, scratch_.rows_out + j * out_,
                  out, false);
}

template <class T>
void JointMap<T>::lines_backward(T* drows_in) {
  const std::int64_t rows = lines_.outer * lines_.stride * nodes_.batch;
  const std::int64_t c = nodes_.channels, in = lines_.size * c, out = lines_.size * out_;
  // The weights' gradient first: drows_in may be scratch_.rows_in itself.
  if (wiring_ == Wiring::grid) {
    if (weight_.trained)
      backend_.gemm(Transpose::yes, Transpose::no, in, out, rows, scratch_.rows_in, in,
                    scratch_.rows_out, out, weight_.grad, out, true);
    return backend_.gemm(Transpose::no, Transpose::yes, rows, in, out, scratch_.rows_out, out,
                         weight_.value, out, drows_in, in, false);
  }
  for (std::int64_t j = 0; j < lines_.size && weight_.trained; ++j)
    backend_.gemm(Transpose::yes, Transpose::no, (j + 1) * c, out_, rows, scratch_.rows_in, in,
                  scratch_.rows_out + j * out_, out, weight_.grad + j * out_, out, true);
  for (std::int64_t k = 0; k < lines_.size; ++k)  // input k receives from the outputs j >= k
    backend_.gemm(Transpose::no, Transpose::yes, rows, c, (lines_.size - k) * out_,
                  scratch_.rows_out + k * out_, out, weight_.value + k * c * out + k * out_, out,
                  drows_in + k * c, in, false);
}

template JointScratch<float> take_joint_scratch(const Build<float>&, std::span<const JointSite>);
template JointScratch<double> take_joint_scratch(const Build<double>&, std::span<const JointSite>);
template class JointMap<float>;
template class JointMap<double>;

}  // namespace ortho
