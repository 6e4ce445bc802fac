// Sparsity in space: the largest activations of each token. One row at a time, in either order.
#include <algorithm>
#include <cmath>
#include <vector>

#include "tensor/cpu/cpu_backend.h"

namespace ortho {
namespace {

// `order` is room for the channels' numbers; x's channels lie `step` apart.
template <class T>
void keep_of_row(std::vector<std::int32_t>& order, std::int64_t count, std::int64_t step, T* x) {
  const auto larger = [&](std::int32_t a, std::int32_t b) {
    const T of_a = std::abs(x[a * step]), of_b = std::abs(x[b * step]);
    return of_a != of_b ? of_a > of_b : a < b;
  };
  for (size_t c = 0; c < order.size(); ++c) order[c] = static_cast<std::int32_t>(c);
  std::nth_element(order.begin(), order.begin() + count, order.end(), larger);
  for (size_t c = static_cast<size_t>(count); c < order.size(); ++c) x[order[c] * step] = 0;
}

}  // namespace

template <class T>
void CpuBackend<T>::keep_largest(const Nodes& nodes, std::int64_t count, T* x) {
  const std::int64_t c = nodes.channels, b = nodes.batch;
  if (count >= c) return;
  const bool inner = nodes.order == Order::channels_inner;
#pragma omp parallel
  {
    std::vector<std::int32_t> order(static_cast<size_t>(c));
#pragma omp for schedule(static)
    for (std::int64_t row = 0; row < nodes.rows(); ++row)
      keep_of_row(order, count, inner ? 1 : b, x + (inner ? row * c : row / b * c * b + row % b));
  }
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace ortho
