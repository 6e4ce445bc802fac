// JointMap: the map over {token axis i, channel axis}, in every wiring and both tensor orders.
//
//   causal  z[t] = sum_d h[t - d * stride] * W[d]            W [s][C][G], d * stride <= t
//   grid    z(j) = sum_k h(k) * W[k][:][j][:] on each line   W [s][C][s][G]; grid_causal: k <= j
//
// A causal tap is one GEMM from one contiguous run of rows into another: nothing is copied. A grid
// gathers each line into one row and is one GEMM of inner size s * C (docs/layer.md, section 3).
// Where causal taps reach into another rank, that rank's rows come as a halo beside the own ones.
#pragma once

#include <span>
#include <string>

#include "model/block_map.h"
#include "model/build.h"
#include "model/channel_weight.h"
#include "model/joint_sites.h"

namespace ortho {

// Buffers that the joint maps of a model use in turn.
template <class T>
struct JointScratch {
  T* rows_in;        // [lines][s * C], not causal
  T* rows_out;       // [lines][s * G], not causal
  T* halo_gradient;  // of the halo
  OpenRoom<T> open;  // of sparse weights
};
// For the largest of the sites.
template <class T>
JointScratch<T> take_joint_scratch(const Build<T>& build, std::span<const JointSite> sites);

template <class T>
class JointMap final : public BlockMap<T> {
 public:
  // `name` leads the name of its exchange. Collective.
  JointMap(const Build<T>& build, const JointSite& site, Param<T>& weight,
           const JointScratch<T>& scratch, const std::string& name);
  void forward(const T* h, T* z) override;
  void backward(const T* h, const T* dz, T* dh) override;

 private:
  template <class Act>
  void each_own_tap(Act act);
  template <class Act>
  void each_halo_tap(Act act);
  void causal_forward(const T* h, T* z);
  void causal_backward(const T* h, const T* dz, T* dh);
  void lines_forward();              // rows_in -> rows_out
  void lines_backward(T* drows_in);  // rows_in, rows_out (= dz) -> drows_in, weight gradient
  Wiring wiring_;
  Lines lines_;  // of the local part
  Nodes nodes_;
  std::int64_t out_;  // of G, what this rank makes
  Param<T>& weight_;
  Backend<T>& backend_;
  JointScratch<T> scratch_;
  ChannelWeight<T> taps_;
  // Coordinates outside the axes that the taps carry over: each has its tokens in one run, and
  // `reach_` tokens of halo before it.
  std::int64_t segments_ = 1;
  std::int64_t reach_ = 0;
  Move<T>* halo_ = nullptr;
  T* halo_rows_ = nullptr;  // [segments][reach][B][C] (or [C][B]), kept for backward
};

}  // namespace ortho
