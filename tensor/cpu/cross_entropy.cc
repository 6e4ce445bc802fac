// Softmax cross-entropy and its gradient in one pass over each row of logits.
#include <algorithm>
#include <cmath>
#include <vector>

#include "tensor/cpu/cpu_backend.h"

namespace ortho {
namespace {

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
  // Rows are summed in their order, whatever thread did them.
  std::vector<double> entropy(static_cast<size_t>(rows));
  std::vector<char> hit(static_cast<size_t>(rows));
#pragma omp parallel for schedule(static)
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto i = static_cast<size_t>(r);
    bool right = false;
    entropy[i] =
        row_entropy(classes, target[i], static_cast<T>(scale), logits + r * classes, &right);
    hit[i] = right;
  }
  for (size_t r = 0; r < entropy.size(); ++r) {
    *loss += entropy[r];
    *hits += hit[r];
  }
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace ortho
