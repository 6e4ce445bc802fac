// DenseBlockMap: the dense side of a block, z = layer( in(h) ):
// an optional channel map C -> G, then the paper's layer.
#pragma once

#include <string>

#include "model/block_map.h"
#include "model/layer.h"

namespace ortho {

template <class T>
class DenseBlockMap final : public BlockMap<T> {
 public:
  // h and z are at home, where the channel map runs too. Weights are BLOCK.in and those of the
  // layer (model/layer.h). Collective.
  DenseBlockMap(const Build<T>& build, const std::string& block);
  void forward(const T* h, T* z) override;
  void backward(const T* h, const T* dz, T* dh) override;

 private:
  Nodes nodes_;
  Param<T>* in_ = nullptr;
  Layer<T> layer_;
  Backend<T>& backend_;
  T *mapped_ = nullptr, *gradient_ = nullptr;  // in(h) and its gradient
};

}  // namespace ortho
