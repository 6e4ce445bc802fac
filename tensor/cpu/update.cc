// Optimizer updates: tensor/update_formulas.h over arrays, and sums of squares.
#include "tensor/cpu/update.h"

#include <algorithm>

#include "tensor/cpu/cpu_backend.h"
#include "tensor/update_formulas.h"

namespace ortho {
namespace {

// Summed in runs of fixed length, each in double: the result does not depend on the thread count.
constexpr std::int64_t kRun = 1 << 14;

template <class T>
ORTHO_CLONES double run_squares(std::int64_t count, const T* __restrict x) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i)
    sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return sum;
}

// Weights and moments of the rows to come are fetched ahead.
template <bool kSparse, class T>
ORTHO_CLONES void adamw_run(const AdamwFactors<T>& factors, const AdamwRows<T>& rows) {
  constexpr std::int64_t kLine = 64 / static_cast<std::int64_t>(sizeof(T)), kAhead = 32 * kLine;
  const AdamwFactors<T> f = factors;
  const std::int64_t ahead = (kAhead + rows.run - 1) / std::max<std::int64_t>(rows.run, 1);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    const T* __restrict grad = rows.grad + r * rows.grad_row;
    T* __restrict weight = rows.weight + r * rows.row;
    T* __restrict first = rows.first + r * rows.row;
    T* __restrict second = rows.second + r * rows.row;
    const std::int64_t on = std::min(ahead, rows.rows - 1 - r) * rows.row;
    for (std::int64_t i = 0; i < rows.run && on > 0; i += kLine) {
      __builtin_prefetch(weight + on + i, 1);
      __builtin_prefetch(first + on + i, 1);
      __builtin_prefetch(second + on + i, 1);
    }
#pragma omp simd
    for (std::int64_t i = 0; i < rows.run; ++i)
      adamw_weight<kSparse>(f, grad[i], weight[i], first[i], second[i]);
  }
}

template <bool kSparse, class T>
ORTHO_CLONES void sgd_run(const SgdFactors<T>& f, std::int64_t count, const T* __restrict grad,
                          T* __restrict weight, T* __restrict velocity) {
  for (std::int64_t i = 0; i < count; ++i) sgd_weight<kSparse>(f, grad[i], weight[i], velocity[i]);
}

}  // namespace

template <class T>
void adamw_rows(const AdamwFactors<T>& factors, const AdamwRows<T>& rows) {
  factors.opened > 0 ? adamw_run<true>(factors, rows) : adamw_run<false>(factors, rows);
}

template void adamw_rows(const AdamwFactors<float>&, const AdamwRows<float>&);
template void adamw_rows(const AdamwFactors<double>&, const AdamwRows<double>&);

template <class T>
double CpuBackend<T>::sum_squares(std::int64_t count, const T* x) {
  double sum = 0;
  for (std::int64_t i = 0; i < count; i += kRun)
    sum += run_squares(std::min(kRun, count - i), x + i);
  return sum;
}

template <class T>
void CpuBackend<T>::adamw(const AdamwStep& step, std::int64_t count, const T* grad, T* weight,
                          T* first, T* second) {
  const auto factors = AdamwFactors<T>::of(step);
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < count; i += kRun)
    adamw_rows<T>(
        factors, {grad + i, weight + i, first + i, second + i, 1, std::min(kRun, count - i), 0, 0});
}

template <class T>
void CpuBackend<T>::sgd(const SgdStep& step, std::int64_t count, const T* grad, T* weight,
                        T* velocity) {
  const auto factors = SgdFactors<T>::of(step);
  const auto run = step.opened > 0 ? sgd_run<true, T> : sgd_run<false, T>;
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < count; i += kRun)
    run(factors, std::min(kRun, count - i), grad + i, weight + i, velocity + i);
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace ortho
