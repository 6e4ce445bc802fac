// rms and layer norm over channels, in both orders.
//
//   h = (x - mean) * rho * g,  rho = (mean_c (x - mean)^2 + eps)^-1/2,  mean = 0 for rms
//   xhat = (x - mean) * rho,  A = dh * g,  dx += rho * (A - mean_c A - xhat * mean_c(A * xhat))
//
// rms has no term mean_c A: it subtracts no mean.
#include <cmath>

#include "tensor/cpu/cpu_backend.h"

namespace ortho {
namespace {

// One row of contiguous channels.
template <class T>
ORTHO_CLONES void norm_row(bool centre, std::int64_t c, T epsilon, const T* __restrict x,
                           const T* __restrict gain, T* __restrict h, T* mean_out, T* rho_out) {
  T mean = 0, square = 0;
  if (centre) {
#pragma omp simd reduction(+ : mean)
    for (std::int64_t i = 0; i < c; ++i) mean += x[i];
    mean /= static_cast<T>(c);
  }
#pragma omp simd reduction(+ : square)
  for (std::int64_t i = 0; i < c; ++i) square += (x[i] - mean) * (x[i] - mean);
  const T rho = T(1) / std::sqrt(square / static_cast<T>(c) + epsilon);
  for (std::int64_t i = 0; i < c; ++i) h[i] = (x[i] - mean) * rho * gain[i];
  *mean_out = mean;
  *rho_out = rho;
}

template <class T>
ORTHO_CLONES void norm_dx_row(bool centre, std::int64_t c, T mean, T rho, const T* __restrict x,
                              const T* __restrict gain, const T* __restrict dh, T* __restrict dx) {
  T sum = 0, dot = 0;
#pragma omp simd reduction(+ : sum, dot)
  for (std::int64_t i = 0; i < c; ++i) {
    const T a = dh[i] * gain[i];
    sum += a;
    dot += a * (x[i] - mean) * rho;
  }
  sum = centre ? sum / static_cast<T>(c) : T(0);
  dot /= static_cast<T>(c);
  for (std::int64_t i = 0; i < c; ++i)
    dx[i] += rho * (dh[i] * gain[i] - sum - (x[i] - mean) * rho * dot);
}

template <class T>
ORTHO_CLONES void dgain_rows(std::int64_t rows, std::int64_t c, const T* __restrict x,
                             const T* __restrict stats, const T* __restrict dh,
                             T* __restrict dgain) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const T mean = stats[r], rho = stats[rows + r];
    for (std::int64_t i = 0; i < c; ++i) dgain[i] += dh[r * c + i] * (x[r * c + i] - mean) * rho;
  }
}

// One token with the batch inside: C rows of B lanes; mean and rho are B lanes each.
template <class T>
ORTHO_CLONES void norm_token(bool centre, std::int64_t c, std::int64_t b, T epsilon,
                             const T* __restrict x, const T* __restrict gain, T* __restrict h,
                             T* __restrict mean, T* __restrict rho) {
  const T share = T(1) / static_cast<T>(c);
  for (std::int64_t j = 0; j < b; ++j) mean[j] = rho[j] = 0;
  if (centre)
    for (std::int64_t i = 0; i < c; ++i)
      for (std::int64_t j = 0; j < b; ++j) mean[j] += x[i * b + j] * share;
  for (std::int64_t i = 0; i < c; ++i)
    for (std::int64_t j = 0; j < b; ++j) {
      const T d = x[i * b + j] - mean[j];
      rho[j] += d * d;
    }
  for (std::int64_t j = 0; j < b; ++j) rho[j] = T(1) / std::sqrt(rho[j] * share + epsilon);
  for (std::int64_t i = 0; i < c; ++i)
    for (std::int64_t j = 0; j < b; ++j) h[i * b + j] = (x[i * b + j] - mean[j]) * rho[j] * gain[i];
}

constexpr std::int64_t kLanes = 64;  // windows handled at once, so that the sums stay on the stack

template <class T>
ORTHO_CLONES void norm_dx_token(bool centre, std::int64_t c, std::int64_t pitch, std::int64_t b,
                                const T* mean, const T* rho, const T* __restrict x,
                                const T* __restrict gain, const T* __restrict dh, T* __restrict dx,
                                T* __restrict dgain) {
  const T share = T(1) / static_cast<T>(c);
  T sum[kLanes] = {}, dot[kLanes] = {};
  for (std::int64_t i = 0; i < c; ++i) {
    T gradient = 0;
    for (std::int64_t j = 0; j < b; ++j) {
      const T xhat = (x[i * pitch + j] - mean[j]) * rho[j], d = dh[i * pitch + j];
      gradient += d * xhat;
      sum[j] += d * gain[i] * share;
      dot[j] += d * gain[i] * xhat * share;
    }
    dgain[i] += gradient;
  }
  for (std::int64_t i = 0; i < c; ++i)
    for (std::int64_t j = 0; j < b; ++j) {
      const T xhat = (x[i * pitch + j] - mean[j]) * rho[j];
      dx[i * pitch + j] +=
          rho[j] * (dh[i * pitch + j] * gain[i] - (centre ? sum[j] : T(0)) - xhat * dot[j]);
    }
}

}  // namespace

template <class T>
void CpuBackend<T>::norm(Norm kind, const Nodes& nodes, double epsilon, const T* x, const T* gain,
                         T* h, T* stats) {
  const bool centre = kind == Norm::layer;
  const std::int64_t c = nodes.channels, b = nodes.batch, rows = nodes.rows();
  const T eps = static_cast<T>(epsilon);
  if (nodes.order == Order::channels_inner) {
#pragma omp parallel for schedule(static)
    for (std::int64_t r = 0; r < rows; ++r)
      norm_row(centre, c, eps, x + r * c, gain, h + r * c, stats + r, stats + rows + r);
    return;
  }
#pragma omp parallel for schedule(static)
  for (std::int64_t t = 0; t < nodes.tokens; ++t)
    norm_token(centre, c, b, eps, x + t * c * b, gain, h + t * c * b, stats + t * b,
               stats + rows + t * b);
}

template <class T>
void CpuBackend<T>::norm_dx(Norm kind, const Nodes& nodes, const T* x, const T* gain,
                            const T* stats, const T* dh, T* dx, T* dgain) {
  const bool centre = kind == Norm::layer;
  const std::int64_t c = nodes.channels, b = nodes.batch, rows = nodes.rows();
  if (nodes.order == Order::channels_inner) {
    dgain_rows(rows, c, x, stats, dh, dgain);
#pragma omp parallel for schedule(static)
    for (std::int64_t r = 0; r < rows; ++r)
      norm_dx_row(centre, c, stats[r], stats[rows + r], x + r * c, gain, dh + r * c, dx + r * c);
    return;
  }
  for (std::int64_t t = 0; t < nodes.tokens; ++t)
    for (std::int64_t j = 0; j < b; j += kLanes) {
      const std::int64_t at = t * c * b + j, lanes = b - j < kLanes ? b - j : kLanes;
      norm_dx_token(centre, c, b, lanes, stats + t * b + j, stats + rows + t * b + j, x + at, gain,
                    dh + at, dx + at, dgain);
    }
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace ortho
