// The map of a causal dense layer on a few tokens, whose inputs lie wherever the caller keeps them.
//
// Maps along the channel axis and along token axes alike; the sums are those of Backend::dense.
#pragma once

#include <vector>

#include "tensor/backend.h"
#include "tensor/box.h"

namespace ortho {

// Outputs y of the tokens `which`, one behind the other. `map` is that of a whole window. x: their
// own inputs, likewise; at(t): where the input of token t lies, 0 <= t < which.hi; before 0 there
// is nothing. `taps` is workspace.
template <class T, class At>
void map_tokens(Backend<T>& backend, DenseMap map, const Range& which, const T* x, At at,
                const T* w, T* y, bool add, std::vector<const T*>& taps) {
  if (map.on_channels()) {
    const bool separate = map.weights == Weights::separate;
    const std::int64_t first = separate ? which.lo * map.channels * map.out : 0;
    map.tokens = {which.size()};
    map.axis = 1;
    return backend.dense(map, x, w + first, y, add);
  }
  const std::int64_t stride = strides(map.tokens)[static_cast<size_t>(map.axis)];
  for (std::int64_t token = which.lo; token < which.hi; ++token) {
    taps.clear();
    for (std::int64_t d = 0; d < map.size() && d * stride <= token; ++d)
      taps.push_back(at(token - d * stride));
    backend.dense_token(map, token, taps, w, y + (token - which.lo) * map.batch * map.channels,
                        add);
  }
}

}  // namespace ortho
