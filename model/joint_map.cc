#include "model/joint_map.h"

#include "core/error.h"

namespace ortho {

template <class T>
JointMap<T>::JointMap(Wiring wiring, const Lines& lines, const Nodes& nodes, std::int64_t out,
                      Param<T>& weight, Backend<T>& backend, Arena<T>& arena)
    : wiring_(wiring), lines_(lines), nodes_(nodes), out_(out), weight_(weight), backend_(backend) {
  ASSERT(lines.outer * lines.size * lines.stride == nodes.tokens, lines.outer, " x ", lines.size,
         " x ", lines.stride, " lines against ", nodes.tokens, " tokens");
  if (wiring == Wiring::causal) return;
  rows_in_ = arena.take(nodes.elements(), "gathered lines");
  rows_out_ = arena.take(nodes.rows() * out, "mapped lines");
}

template <class T>
void JointMap<T>::forward(const T* h, T* z) {
  if (wiring_ != Wiring::causal) {
    backend_.gather_lines(nodes_, lines_, h, rows_in_);
    lines_forward();
    backend_.scatter_lines(nodes_.with_channels(out_), lines_, rows_out_, z, false);
    return;
  }
  for (std::int64_t d = 0; d < lines_.size; ++d) {
    const std::int64_t shift = d * lines_.stride;
    if (shift >= nodes_.tokens) break;
    backend_.channel_map(nodes_.with_tokens(nodes_.tokens - shift), out_, h,
                         weight_.value + d * nodes_.channels * out_,
                         z + shift * nodes_.batch * out_, d > 0);
  }
}

template <class T>
void JointMap<T>::backward(const T* h, const T* dz, T* dh) {
  if (wiring_ != Wiring::causal) {
    backend_.gather_lines(nodes_, lines_, h, rows_in_);
    backend_.gather_lines(nodes_.with_channels(out_), lines_, dz, rows_out_);
    lines_backward(rows_in_);
    backend_.scatter_lines(nodes_, lines_, rows_in_, dh, false);
    return;
  }
  for (std::int64_t d = 0; d < lines_.size; ++d) {
    const std::int64_t shift = d * lines_.stride;
    if (shift >= nodes_.tokens) break;
    const Nodes reached = nodes_.with_tokens(nodes_.tokens - shift);
    const std::int64_t block = d * nodes_.channels * out_;
    const T* dz_d = dz + shift * nodes_.batch * out_;
    backend_.channel_map_dx(reached, out_, dz_d, weight_.value + block, dh, d > 0);
    backend_.channel_map_dw(reached, out_, h, dz_d, weight_.grad + block);
  }
}

template <class T>
void JointMap<T>::lines_forward() {
  const std::int64_t rows = lines_.outer * lines_.stride * nodes_.batch;
  const std::int64_t in = lines_.size * nodes_.channels, out = lines_.size * out_;
  if (wiring_ == Wiring::grid)
    return backend_.gemm(Transpose::no, Transpose::no, rows, out, in, rows_in_, in, weight_.value,
                         out, rows_out_, out, false);
  for (std::int64_t j = 0; j < lines_.size; ++j)
    backend_.gemm(Transpose::no, Transpose::no, rows, out_, (j + 1) * nodes_.channels, rows_in_, in,
                  weight_.value + j * out_, out, rows_out_ + j * out_, out, false);
}

template <class T>
void JointMap<T>::lines_backward(T* drows_in) {
  const std::int64_t rows = lines_.outer * lines_.stride * nodes_.batch;
  const std::int64_t c = nodes_.channels, in = lines_.size * c, out = lines_.size * out_;
  // The weights' gradient first: drows_in may be rows_in_ itself.
  if (wiring_ == Wiring::grid) {
    backend_.gemm(Transpose::yes, Transpose::no, in, out, rows, rows_in_, in, rows_out_, out,
                  weight_.grad, out, true);
    return backend_.gemm(Transpose::no, Transpose::yes, rows, in, out, rows_out_, out,
                         weight_.value, out, drows_in, in, false);
  }
  for (std::int64_t j = 0; j < lines_.size; ++j)
    backend_.gemm(Transpose::yes, Transpose::no, (j + 1) * c, out_, rows, rows_in_, in,
                  rows_out_ + j * out_, out, weight_.grad + j * out_, out, true);
  for (std::int64_t k = 0; k < lines_.size; ++k)  // input k receives from the outputs j >= k
    backend_.gemm(Transpose::no, Transpose::yes, rows, c, (lines_.size - k) * out_,
                  rows_out_ + k * out_, out, weight_.value + k * c * out + k * out_, out,
                  drows_in + k * c, in, false);
}

template class JointMap<float>;
template class JointMap<double>;

}  // namespace ortho
