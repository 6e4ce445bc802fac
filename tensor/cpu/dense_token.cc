// One token of a causal dense map: what generation with kept inputs computes for each new token.
#include <algorithm>

#include "core/error.h"
#include "tensor/cpu/cpu_backend.h"

namespace ortho {
namespace {

constexpr std::int64_t kTile = 64;  // sums that are under way at once

// Where the weights of a token begin. Each slice of the channels has its own.
std::int64_t token_weights(const DenseMap& map, std::int64_t token, std::int64_t slice) {
  const std::int64_t taps = map.reach() + 1;
  if (map.weights == Weights::separate) return (token * map.channels + slice) * taps;
  if (map.weights != Weights::by_position) return slice * taps;
  const std::int64_t stride = strides(map.tokens)[static_cast<size_t>(map.axis)];
  return (slice * map.size() + token / stride % map.size()) * taps;
}

// act(slice, first channel, channels) for all runs of channels that share their weights. Groups are
// slices of each half.
template <class Act>
void for_each_slice(const DenseMap& map, Act act) {
  const bool each = map.weights == Weights::separate || map.weights == Weights::per_channel;
  const std::int64_t halves = !each && map.in_halves ? 2 : 1;
  const std::int64_t slices = each ? map.channels : map.slices();
  const std::int64_t channels = map.channels / (halves * slices);
  for (std::int64_t half = 0; half < halves; ++half)
    for (std::int64_t slice = 0; slice < slices; ++slice)
      act(slice, (half * slices + slice) * channels, channels);
}

// Nodes at … at + count - 1. The largest d first, as dense() adds them.
template <class T>
ORTHO_CLONES void add_taps(const T* const* inputs, std::int64_t first, std::int64_t taps,
                           std::int64_t at, std::int64_t count, const T* w, T* y, bool add) {
  for (std::int64_t from = at; from < at + count; from += kTile) {
    const std::int64_t nodes = std::min(kTile, at + count - from);
    T sum[kTile];
    std::fill_n(sum, nodes, T(0));
    for (std::int64_t d = taps; d-- > first;) {
      const T* const x = inputs[d] + from;
      for (std::int64_t i = 0; i < nodes; ++i) sum[i] += w[d] * x[i];
    }
    for (std::int64_t i = 0; i < nodes; ++i) y[from + i] = add ? y[from + i] + sum[i] : sum[i];
  }
}

}  // namespace

template <class T>
void CpuBackend<T>::dense_token(const DenseMap& map, std::int64_t token,
                                std::span<const T* const> inputs, const T* w, T* y, bool add) {
  ASSERT(map.causal(), "dense_token is for causal maps along a token axis");
  const auto taps = std::min(static_cast<std::int64_t>(inputs.size()), map.reach() + 1);
  const std::int64_t first = map.self ? 0 : 1;
  for_each_slice(map, [&](std::int64_t slice, std::int64_t channel, std::int64_t channels) {
    const T* const own = w + token_weights(map, token, slice);
    if (map.order == Order::batch_inner)
      return add_taps(inputs.data(), first, taps, channel * map.batch, channels * map.batch, own, y,
                      add);
    for (std::int64_t b = 0; b < map.batch; ++b)
      add_taps(inputs.data(), first, taps, b * map.channels + channel, channels, own, y, add);
  });
}

template void CpuBackend<float>::dense_token(const DenseMap&, std::int64_t,
                                             std::span<const float* const>, const float*, float*,
                                             bool);
template void CpuBackend<double>::dense_token(const DenseMap&, std::int64_t,
                                              std::span<const double* const>, const double*,
                                              double*, bool);

}  // namespace ortho
