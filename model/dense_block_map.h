// DenseBlockMap: the dense side of a block, z = layer( in(h) ): an optional channel map C -> G,
// then the paper's layer.
#pragma once

#include <memory>

#include "model/arena.h"
#include "model/block_map.h"
#include "model/params.h"
#include "model/spec.h"
#include "tensor/backend.h"

namespace ortho {

template <class T>
class DenseBlockMap final : public BlockMap<T> {
 public:
  DenseBlockMap(const ModelSpec& spec, const Nodes& nodes, const std::string& block,
                Params<T>& params, Backend<T>& backend, Arena<T>& arena);
  ~DenseBlockMap() override;
  void forward(const T* h, T* z) override;
  void backward(const T* h, const T* dz, T* dh) override;
};

}  // namespace ortho
