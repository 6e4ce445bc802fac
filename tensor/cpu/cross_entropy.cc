// Softmax cross-entropy and its gradient in one pass over each row of logits.
#include <algorithm>
#include <array>
#include <cmath>

#include "tensor/cpu/cpu_backend.h"

namespace ortho {
namespace {

constexpr std::int64_t kBlockRows = 4096;

// Returns -log softmax(x)[target]; x becomes scale * (softmax - onehot).
template <class T>
ORTHO_CLONES double row_entropy(std::int64_t classes, std::int32_t target, T scale, T* __restrict x,
                                bool* hit) {
  T top = x[0];
#pragma omp simd reduction(max : top)
  for (std::int64_t i = 0; i < classes; ++i) top = std::max(top, x[i]);
  *hit = x[target] == top;
  const T shifted = x[target] - top;
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < classes; ++i) {
    x[i] = fast_exp(x[i] - top);
    sum += x[i];
  }
  const T factor = scale / sum;
  for (std::int64_t i = 0; i < classes; ++i) x[i] *= factor;
  x[target] -= scale;
  return std::log(static_cast<double>(sum)) - static_cast<double>(shifted);
}

}  // namespace

template <class T>
void CpuBackend<T>::cross_entropy(std::int64_t rows, std::int64_t classes,
                                  std::span<const std::int32_t> target, double scale, T* logits,
                                  double* loss, std::int64_t* hits) {
  // Rows are summed in their order, whatever thread did them;
  // block by block, so nothing is allocated.
  std::array<double, kBlockRows> entropy;
  std::array<bool, kBlockRows> hit;
  for (std::int64_t first = 0; first < rows; first += kBlockRows) {
    const std::int64_t count = std::min(kBlockRows, rows - first);
#pragma omp parallel for schedule(static)
    for (std::int64_t r = 0; r < count; ++r) {
      const auto i = static_cast<size_t>(r);
      entropy[i] = row_entropy(classes, target[static_cast<size_t>(first + r)],
                               static_cast<T>(scale), logits + (first + r) * classes, &hit[i]);
    }
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      *loss += entropy[i];
      *hits += hit[i] ? 1 : 0;
    }
  }
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace ortho
