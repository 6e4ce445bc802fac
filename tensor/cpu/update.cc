// Optimizer updates. AdamW: Loshchilov & Hutter, "Decoupled weight decay regularization", 2019.
#include "tensor/cpu/update.h"

#include <algorithm>
#include <cmath>

#include "tensor/cpu/cpu_backend.h"

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

// What a sparse weight moves to: a closed one (open = 0) stays 0, others stay `opened` away from it.
template <class T>
[[gnu::always_inline]] inline T stay_open(T open, T moved, T opened) {
  const T size = std::abs(moved);
  return open * std::copysign(size < opened ? opened : size, moved);
}

// kSparse: a weight of 0 is closed. Its moments are 0 too and stay so, without a branch.
template <bool kSparse, class T>
ORTHO_CLONES void adamw_run(const AdamwFactors& f, const AdamwRows<T>& rows) {
  const T b1 = static_cast<T>(f.beta1), b2 = static_cast<T>(f.beta2),
          keep = static_cast<T>(1 - f.decay);
  const T c1 = static_cast<T>(1 - f.beta1), c2 = static_cast<T>(1 - f.beta2),
          rate = static_cast<T>(f.rate);
  const T root2 = static_cast<T>(f.root2), eps = static_cast<T>(f.epsilon),
          scale = static_cast<T>(f.scale), opened = static_cast<T>(f.opened);
  constexpr std::int64_t kLine = 64 / static_cast<std::int64_t>(sizeof(T)), kAhead = 32 * kLine;
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
    for (std::int64_t i = 0; i < rows.run; ++i) {
      const T open = kSparse && weight[i] == 0 ? T(0) : T(1);
      const T g = kSparse ? open * (grad[i] * scale) : grad[i] * scale;
      first[i] = b1 * first[i] + c1 * g;
      second[i] = b2 * second[i] + c2 * g * g;
      const T moved = keep * weight[i] - rate * first[i] / (std::sqrt(second[i]) * root2 + eps);
      weight[i] = kSparse ? stay_open(open, moved, opened) : moved;
    }
  }
}

template <bool kSparse, class T>
ORTHO_CLONES void sgd_run(T rate, T momentum, T decay, T scale, T opened, std::int64_t count,
                          const T* __restrict grad, T* __restrict weight, T* __restrict velocity) {
  for (std::int64_t i = 0; i < count; ++i) {
    const T open = kSparse && weight[i] == 0 ? T(0) : T(1);
    const T g = kSparse ? open * grad[i] : grad[i];
    velocity[i] = momentum * velocity[i] + scale * g;
    const T moved = weight[i] - rate * (velocity[i] + decay * weight[i]);
    weight[i] = kSparse ? stay_open(open, moved, opened) : moved;
  }
}

}  // namespace

AdamwFactors adamw_factors(const AdamwStep& step) {
  const double n = static_cast<double>(step.step);
  return {step.beta1,
          step.beta2,
          step.rate * step.decay,
          step.rate / (1 - std::pow(step.beta1, n)),
          1 / std::sqrt(1 - std::pow(step.beta2, n)),
          step.epsilon,
          step.gradient_scale,
          step.opened};
}

template <class T>
void adamw_rows(const AdamwFactors& factors, const AdamwRows<T>& rows) {
  factors.opened > 0 ? adamw_run<true, T>(factors, rows) : adamw_run<false, T>(factors, rows);
}

template void adamw_rows(const AdamwFactors&, const AdamwRows<float>&);
template void adamw_rows(const AdamwFactors&, const AdamwRows<double>&);

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
  const AdamwFactors factors = adamw_factors(step);
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < count; i += kRun)
    adamw_rows<T>(
        factors, {grad + i, weight + i, first + i, second + i, 1, std::min(kRun, count - i), 0, 0});
}

template <class T>
void CpuBackend<T>::sgd(const SgdStep& step, std::int64_t count, const T* grad, T* weight,
                        T* velocity) {
  const auto run = step.opened > 0 ? sgd_run<true, T> : sgd_run<false, T>;
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < count; i += kRun)
    run(static_cast<T>(step.rate), static_cast<T>(step.momentum), static_cast<T>(step.decay),
        static_cast<T>(step.gradient_scale), static_cast<T>(step.opened), std::min(kRun, count - i),
        grad + i, weight + i, velocity + i);
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace ortho
