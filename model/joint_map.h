// JointMap: the map over {token axis i, channel axis}, in every wiring and both tensor orders.
//
//   causal  z[t] = sum_d h[t - d * stride] * W[d]            W [s][C][G], d * stride <= t
//   grid    z(j) = sum_k h(k) * W[k][:][j][:] on each line   W [s][C][s][G]; grid_causal: k <= j
//
// A causal tap is one GEMM from one contiguous run of rows into another: nothing is copied. A grid
// gathers each line into one row and is one GEMM of inner size s * C (docs/layer.md, section 3).
#pragma once

#include "model/arena.h"
#include "model/block_map.h"
#include "model/params.h"
#include "tensor/backend.h"

namespace ortho {

template <class T>
class JointMap final : public BlockMap<T> {
 public:
  // `nodes` of the input (C channels); `out` = G. Scratch for lines comes from `arena`.
  JointMap(Wiring wiring, const Lines& lines, const Nodes& nodes, std::int64_t out,
           Param<T>& weight, Backend<T>& backend, Arena<T>& arena);
  void forward(const T* h, T* z) override;
  void backward(const T* h, const T* dz, T* dh) override;

 private:
  void lines_forward();              // rows_in_ -> rows_out_
  void lines_backward(T* drows_in);  // rows_in_, rows_out_ (= dz) -> drows_in, weight gradient
  Wiring wiring_;
  Lines lines_;
  Nodes nodes_;
  std::int64_t out_;
  Param<T>& weight_;
  Backend<T>& backend_;
  T* rows_in_ = nullptr;   // [lines][s * C]
  T* rows_out_ = nullptr;  // [lines][s * G]
};

}  // namespace ortho
