// A dense layer with everything it needs, for tests of the model floor.
#pragma once

#include <memory>
#include <vector>

#include "model/layer.h"

namespace ortho {

// A layer with its weights, memory and backend.
template <class T>
struct Kit {
  Kit(const ModelSpec& layer_spec, const Nodes& nodes, std::int64_t single_out = 0)
      : spec(layer_spec),
        sharding(spec, nodes.batch, Cuts{}, 0, nodes.order),
        params(layer_params(spec, nodes.channels, "block.0", single_out)),
        backend(make_cpu_backend<T>(1)),
        moves(sharding, nullptr, arena),
        layer({spec, sharding, params, *backend, arena, moves},
              layer_layouts(spec, sharding, nodes.channels, single_out), nodes.channels, "block.0",
              single_out) {
    moves.take_workspace();
    params.initialise(7);
  }
  std::vector<T> forward(const std::vector<T>& x) {
    std::vector<T> y(static_cast<size_t>(layer.output().elements()), T(99));
    layer.forward(x.data(), y.data());
    return y;
  }
  ModelSpec spec;
  Sharding sharding;
  Params<T> params;
  std::unique_ptr<Backend<T>> backend;
  Arena<T> arena;
  Moves<T> moves;
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
