// One token of a causal dense map: what generation with kept inputs computes for each new token.
#include <algorithm>

#include "core/error.h"
#include "tensor/cpu/cpu_backend.h"

namespace ortho {
namespace {

constexpr std::int64_t kTile = 64;  // sums that are under way at once

// Nodes of one token as [outer][inner]; W(outer, inner, d) lies at outer * w_outer +
// inner * w_inner + d.
struct TokenGeometry {
  std::int64_t outer, inner, w_outer, w_inner;
};

TokenGeometry token_geometry(const DenseMap& map) {
  const std::int64_t s = map.size();
  if (map.weights != Weights::separate) return {1, map.channels * map.batch, 0, 0};
  if (map.order == Order::batch_inner) return {map.channels, map.batch, s, 0};
  return {map.batch, map.channels, 0, s};
}

// Where the weights of a token begin.
std::int64_t token_weights(const DenseMap& map, std::int64_t token) {
  if (map.weights == Weights::shared) return 0;
  if (map.weights == Weights::separate) return token * map.channels * map.size();
  const std::int64_t stride = strides(map.tokens)[static_cast<size_t>(map.axis)];
  return token / stride % map.size() * map.size();
}

// Nodes at … at + count - 1, at most kTile. The largest d first, as dense() adds them.
template <class T>
ORTHO_CLONES void tile(const T* const* inputs, std::int64_t taps, std::int64_t at,
                       std::int64_t count, const T* w, std::int64_t w_step, T* y, bool add) {
  T sum[kTile] = {};
  for (std::int64_t d = taps; d-- > 0;) {
    const T* const x = inputs[d] + at;
    for (std::int64_t i = 0; i < count; ++i) sum[i] += w[i * w_step + d] * x[i];
  }
  for (std::int64_t i = 0; i < count; ++i) y[at + i] = add ? y[at + i] + sum[i] : sum[i];
}

}  // namespace

template <class T>
void CpuBackend<T>::dense_token(const DenseMap& map, std::int64_t token,
                                std::span<const T* const> inputs, const T* w, T* y, bool add) {
  ASSERT(map.causal(), "dense_token is for causal maps along a token axis");
  const TokenGeometry g = token_geometry(map);
  const auto taps = static_cast<std::int64_t>(inputs.size());
  w += token_weights(map, token);
  for (std::int64_t o = 0; o < g.outer; ++o)
    for (std::int64_t i = 0; i < g.inner; i += kTile)
      tile(inputs.data(), taps, o * g.inner + i, std::min(kTile, g.inner - i),
           w + o * g.w_outer + i * g.w_inner, g.w_inner, y, add);
}

template void CpuBackend<float>::dense_token(const DenseMap&, std::int64_t,
                                             std::span<const float* const>, const float*, float*,
                                             bool);
template void CpuBackend<double>::dense_token(const DenseMap&, std::int64_t,
                                              std::span<const double* const>, const double*,
                                              double*, bool);

}  // namespace ortho
