// A bias of every channel, in both orders. Each channel's gradient is summed by one thread, over
// rising tokens and windows.
#include <algorithm>

#include "tensor/cpu/cpu_backend.h"

namespace ortho {
namespace {

constexpr std::int64_t kChannels = 64;  // of one thread at a time: some cache lines of each row

// Channels that lie side by side: the rows of all tokens and windows.
template <class T>
ORTHO_CLONES void sum_rows(std::int64_t rows, std::int64_t pitch, std::int64_t channels,
                           const T* __restrict dx, T* __restrict dbias) {
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < channels; ++c) dbias[c] += dx[r * pitch + c];
}

// One channel of every token: runs of its windows.
template <class T>
ORTHO_CLONES void sum_runs(std::int64_t tokens, std::int64_t pitch, std::int64_t batch,
                           const T* __restrict dx, T* __restrict dbias) {
  T sum = 0;
  for (std::int64_t t = 0; t < tokens; ++t)
    for (std::int64_t b = 0; b < batch; ++b) sum += dx[t * pitch + b];
  *dbias += sum;
}

}  // namespace

template <class T>
void CpuBackend<T>::add_bias(const Nodes& nodes, const T* bias, T* x) {
  const std::int64_t c = nodes.channels, b = nodes.batch;
  if (nodes.order == Order::channels_inner) {
#pragma omp parallel for schedule(static)
    for (std::int64_t r = 0; r < nodes.rows(); ++r)
      for (std::int64_t i = 0; i < c; ++i) x[r * c + i] += bias[i];
    return;
  }
#pragma omp parallel for schedule(static)
  for (std::int64_t row = 0; row < nodes.tokens * c; ++row)
    for (std::int64_t i = 0; i < b; ++i) x[row * b + i] += bias[row % c];
}

template <class T>
void CpuBackend<T>::bias_dw(const Nodes& nodes, const T* dx, T* dbias) {
  const std::int64_t c = nodes.channels, b = nodes.batch;
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < c; i += kChannels) {
    const std::int64_t end = std::min(i + kChannels, c);
    if (nodes.order == Order::channels_inner)
      sum_rows(nodes.rows(), c, end - i, dx + i, dbias + i);
    else
      for (std::int64_t channel = i; channel < end; ++channel)
        sum_runs(nodes.tokens, c * b, b, dx + channel * b, dbias + channel);
  }
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace ortho
