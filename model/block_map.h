// BlockMap: what stands between norm and f in a sublayer, z = map(h).
//
// joint: taps of C x G blocks along a line (model/joint_map.h). attention: softmax attention along a
// line (model/attention_map.h). dense: an optional channel map, then a layer of dense axis maps
// (model/dense_block_map.h).
#pragma once

#include <cstdint>

#include "core/error.h"
#include "tensor/box.h"

namespace ortho {

template <class T>
class BlockMap {
 public:
  virtual ~BlockMap() = default;
  virtual void forward(const T* h, T* z) = 0;  // h [nodes, C] -> z [nodes, G]
  // Overwrites dh, adds to the weights' gradients …
  virtual void backward(const T* h, const T* dz, T* dh) = 0;
  // … but for those that this adds to, with the same h and dz: while dh travels on.
  virtual void backward_weights(const T* h, const T* dz) = 0;

  // Whether the next forward and backward may go by runs of tokens: forward in rising order, with h
  // up to there; backward in falling order, with dz from there on.
  virtual bool by_runs() const { return false; }
  virtual void forward_run(const Range& tokens, const T* h, T* z);
  virtual void backward_run(const Range& tokens, const T* dz, T* dh);
};

template <class T>
void BlockMap<T>::forward_run(const Range&, const T*, T*) {
  ASSERT(false, "a map that takes all tokens at once");
}

template <class T>
void BlockMap<T>::backward_run(const Range&, const T*, T*) {
  ASSERT(false, "a map that takes all tokens at once");
}

}  // namespace ortho
