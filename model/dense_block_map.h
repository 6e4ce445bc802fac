// DenseBlockMap: the dense side of a block, z = layer( in(h) ):
// an optional channel map C -> G, then the paper's layer.
#pragma once

#include <string>
#include <vector>

#include "model/block_map.h"
#include "model/layer.h"

namespace ortho {

// Of a block's layer: layer_layouts.
std::vector<Layout> block_layouts(const ModelSpec& spec, const Sharding& sharding);

template <class T>
class DenseBlockMap final : public BlockMap<T> {
 public:
  // h has the rows that the rank holds at home, with all channels, z those of its own units.
  // Weights are BLOCK.in and those of the layer (model/layer.h), whose maps run in block_layouts.
  // Collective.
  DenseBlockMap(const Build<T>& build, const std::vector<Layout>& layouts,
                const std::string& block);
  void forward(const T* h, T* z) override;
  void backward(const T* h, const T* dz, T* dh) override;
  void backward_weights(const T* h, const T* dz) override;

 private:
  Nodes nodes_;  // of h
  Param<T>* in_ = nullptr;
  Move<T>* own_ = nullptr;  // without in_: the layer's channels out of all; null: it takes all
  Layer<T> layer_;
  Backend<T>& backend_;
  T *mapped_ = nullptr,
    *gradient_ = nullptr;  // the layer's input, where it is not h, and its gradient
};

}  // namespace ortho
