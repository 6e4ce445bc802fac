// Softmax cross-entropy and its gradient in one pass over each row of logits, or in two where each
// rank has some of the classes.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

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

// What one part tells of a row; its numbers stand in this order.
template <class T>
struct Told {
  T top, sum, target;
};
static_assert(sizeof(Told<float>) == kSoftmaxPart * sizeof(float));

template <class T>
ORTHO_CLONES Told<T> row_part(std::int64_t classes, std::int32_t target, const T* __restrict x) {
  T top = -std::numeric_limits<T>::infinity(), sum = 0;
#pragma omp simd reduction(max : top)
  for (std::int64_t i = 0; i < classes; ++i) top = std::max(top, x[i]);
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < classes; ++i) sum += fast_exp(x[i] - top);
  return {top, sum, target < 0 ? T(0) : x[target]};
}

// `told` of the row by the first part; the next part's is `stride` numbers on.
template <class T>
Told<T> join(std::int64_t parts, std::int64_t stride, const T* told) {
  Told<T> all = {-std::numeric_limits<T>::infinity(), 0, 0};
  for (std::int64_t p = 0; p < parts; ++p) all.top = std::max(all.top, told[p * stride]);
  for (std::int64_t p = 0; p < parts; ++p) {
    const T *part = told + p * stride, sum = part[1];
    if (sum != 0) all.sum += sum * fast_exp(part[0] - all.top);  // 0: a part without classes
    all.target += part[2];
  }
  return all;
}

// row_entropy of the classes at hand.
template <class T>
ORTHO_CLONES double row_rest(std::int64_t classes, std::int32_t target, T scale,
                             const Told<T>& told, T* __restrict x) {
  const T factor = scale / told.sum;
  for (std::int64_t i = 0; i < classes; ++i) x[i] = fast_exp(x[i] - told.top) * factor;
  if (target >= 0) x[target] -= scale;
  return std::log(static_cast<double>(told.sum)) - static_cast<double>(told.target - told.top);
}

// entropy(row, weight, &hit) of all rows, times their weights, added up in their order, whatever
// thread did them; block by block, so nothing is allocated.
template <class Entropy>
void sum_rows(std::int64_t rows, std::span<const double> weight, double* loss, std::int64_t* hits,
              Entropy entropy) {
  std::array<double, kBlockRows> nats;
  std::array<bool, kBlockRows> hit;
  for (std::int64_t first = 0; first < rows; first += kBlockRows) {
    const std::int64_t count = std::min(kBlockRows, rows - first);
#pragma omp parallel for schedule(static)
    for (std::int64_t r = 0; r < count; ++r) {
      const auto i = static_cast<size_t>(r);
      const double times = weight.empty() ? 1.0 : weight[static_cast<size_t>(first) + i];
      nats[i] = times * entropy(first + r, times, &hit[i]);
    }
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      *loss += nats[i];
      *hits += hit[i] ? 1 : 0;
    }
  }
}

}  // namespace

template <class T>
void CpuBackend<T>::cross_entropy(std::int64_t rows, std::int64_t classes,
                                  std::span<const std::int32_t> target,
                                  std::span<const double> weight, double scale, T* logits,
                                  double* loss, std::int64_t* hits) {
  sum_rows(rows, weight, loss, hits, [&](std::int64_t row, double times, bool* hit) {
    return row_entropy(classes, target[static_cast<size_t>(row)], static_cast<T>(scale * times),
                       logits + row * classes, hit);
  });
}

template <class T>
void CpuBackend<T>::softmax_part(std::int64_t rows, std::int64_t classes,
                                 std::span<const std::int32_t> target, const T* logits, T* part) {
#pragma omp parallel for schedule(static)
  for (std::int64_t row = 0; row < rows; ++row) {
    const Told<T> told =
        row_part(classes, target[static_cast<size_t>(row)], logits + row * classes);
    T* const into = part + row * kSoftmaxPart;
    into[0] = told.top, into[1] = told.sum, into[2] = told.target;
  }
}

template <class T>
void CpuBackend<T>::cross_entropy_part(std::int64_t rows, std::int64_t classes,
                                       std::span<const std::int32_t> target,
                                       std::span<const double> weight, double scale,
                                       std::int64_t parts, const T* told, T* logits, double* loss,
                                       std::int64_t* hits) {
  sum_rows(rows, weight, loss, hits, [&](std::int64_t row, double times, bool* hit) {
    const Told<T> all = join(parts, rows * kSoftmaxPart, told + row * kSoftmaxPart);
    *hit = all.target == all.top;
    return row_rest(classes, target[static_cast<size_t>(row)], static_cast<T>(scale * times), all,
                    logits + row * classes);
  });
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace ortho
