// A dense layer with everything it needs, for tests of the model floor.
#pragma once

#include <memory>
#include <vector>

#include "model/layer.h"

namespace ortho {

// A layer with its weights, memory and backend.
template <class T>
struct Kit {
  Kit(const ModelSpec& spec, const Nodes& nodes, std::int64_t single_out = 0)
      : params(layer_params(spec, nodes.channels, "block.0", single_out)),
        backend(make_cpu_backend<T>(1)),
        layer(spec, nodes, "block.0", params, *backend, arena, single_out) {
    params.initialise(7);
  }
  std::vector<T> forward(const std::vector<T>& x) {
    std::vector<T> y(static_cast<size_t>(layer.output().elements()), T(99));
    layer.forward(x.data(), y.data());
    return y;
  }
  Params<T> params;
  std::unique_ptr<Backend<T>> backend;
  Arena<T> arena;
  Layer<T> layer;
};

inline ModelSpec dense_spec(const Shape& tokens, Weights weights, Wiring wiring, Combine combine) {
  ModelSpec spec;
  spec.tokens = tokens;
  spec.map = MapKind::dense;
  spec.weights = weights;
  spec.wiring = wiring;
  spec.combine = combine;
  return spec;
}

}  // namespace ortho
