// AttentionMap: softmax attention along the lines of a LineMap, with heads over the units.
//
//   q = h Wq, k = h Wk, v = h Wv;  z[t] = sum_i softmax_i( q[t] . k[i] / sqrt(E / H) + bias ) v[i]
//
// The sources i of a token are those of a joint map: in a grid its line, in grid_causal the part of
// it that is not later, in causal wiring t - step(d), without what lies before the window. bias is
// what the softmax knows of order: [H][s] by d, else [H][s][s] by k and j. Kept for backward: q, k,
// v and one number a row and head; the softmax is computed again.
#pragma once

#include <span>
#include <string>

#include "model/block_map.h"
#include "model/build.h"
#include "model/joint_sites.h"
#include "tensor/attention.h"

namespace ortho {

// Buffers that the attention maps of a model use in turn: gradients, and room for one softmax a
// head.
template <class T>
struct AttentionScratch {
  T *query, *key, *value;
  T* halo;
  T* softmax;  // [heads][2][s]
};
// For the largest of the sites.
template <class T>
AttentionScratch<T> take_attention_scratch(const Build<T>& build, std::span<const JointSite> sites);

template <class T>
class AttentionMap final : public BlockMap<T> {
 public:
  // `prefix` leads the names of its weights and of its exchange. Collective.
  AttentionMap(const Build<T>& build, const JointSite& site, const AttentionScratch<T>& scratch,
               const std::string& prefix);
  void forward(const T* h, T* z) override;
  void backward(const T* h, const T* dz, T* dh) override;
  void backward_weights(const T* h, const T* dz) override;

 private:
  void take_sources(const Build<T>& build, const JointSite& site);
  void hear_own_prompts();
  template <class Act>
  void each_own_run(Act act);
  template <class Act>
  void each_halo_run(Act act);
  void add_to_weights(const T* h);  // out of the gradients in the scratch

  Nodes nodes_;
  std::int64_t units_, gated_;  // channels of q and k, and of v, that this rank makes
  Param<T>&query_, &key_, &value_, &bias_;
  Backend<T>& backend_;
  AttentionScratch<T> scratch_;
  Attention attention_;
  const Segments* parts_;           // of the window (model/segments.h), asked at each forward
  bool cut_ = false;                // whether the counts are those of parts
  std::vector<std::int64_t> taps_;  // how far back each reaches, ascending; causal
  std::int32_t* counts_ = nullptr;  // the sources of each token
  // As in JointMap. Keys and values have a segment's halo in front of its own tokens.
  std::int64_t segments_ = 1, reach_ = 0;
  Move<T>* halo_ = nullptr;
  T* halo_rows_ = nullptr;  // of h
  T *q_, *k_, *v_, *log_sum_;
};

}  // namespace ortho
