// C = op(A) * op(B): oneDNN in float, plain loops in double (gradient checks only).
//
// Measured on joint-map shapes (768 x 224 x 128 and its transposes), one core: oneDNN 2.6 reaches
// 0.95 of the FMA peak, OpenBLAS 0.3.21 between 0.45 and 0.95 depending on the core type it
// detects. See docs/performance.md.
#include <dnnl.h>
#include <omp.h>

#include <algorithm>

#include "core/error.h"
#include "tensor/cpu/cpu_backend.h"

namespace ortho {
namespace {

char letter(Transpose t) { return t == Transpose::yes ? 'T' : 'N'; }

void multiply(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n, std::int64_t k,
              const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float* c,
              std::int64_t ldc, bool add) {
  const dnnl_status_t status =
      dnnl_sgemm(letter(ta), letter(tb), m, n, k, 1.0f, a, lda, b, ldb, add ? 1.0f : 0.0f, c, ldc);
  ASSERT(status == dnnl_success, "oneDNN sgemm ", m, " x ", n, " x ", k, " failed with status ",
         int{status});
}

void multiply(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n, std::int64_t k,
              const double* a, std::int64_t lda, const double* b, std::int64_t ldb, double* c,
              std::int64_t ldc, bool add) {
  const std::int64_t a_row = ta == Transpose::yes ? 1 : lda, a_col = ta == Transpose::yes ? lda : 1;
  const std::int64_t b_row = tb == Transpose::yes ? 1 : ldb, b_col = tb == Transpose::yes ? ldb : 1;
  for (std::int64_t i = 0; i < m; ++i) {
    double* row = c + i * ldc;
    if (!add) std::fill_n(row, n, 0.0);
    for (std::int64_t p = 0; p < k; ++p) {
      const double factor = a[i * a_row + p * a_col];
      for (std::int64_t j = 0; j < n; ++j) row[j] += factor * b[p * b_row + j * b_col];
    }
  }
}

}  // namespace

template <class T>
CpuBackend<T>::CpuBackend(int threads) : threads_(threads) {
  REQUIRE(threads >= 1 && threads <= 1024, "threads ", threads, ": 1 to 1024 per rank");
  room_ = Buffer<T>(threads * kSumRoom, "blocks of dense sums");
  omp_set_num_threads(threads);
}

template <class T>
void CpuBackend<T>::gemm(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n, std::int64_t k,
                         const T* a, std::int64_t lda, const T* b, std::int64_t ldb, T* c,
                         std::int64_t ldc, bool add) {
  if (m == 0 || n == 0) return;
  multiply(ta, tb, m, n, k, a, lda, b, ldb, c, ldc, add);
  pause_();
}

template <class T>
std::unique_ptr<Backend<T>> make_cpu_backend(int threads) {
  return std::make_unique<CpuBackend<T>>(threads);
}

template class CpuBackend<float>;
template class CpuBackend<double>;
template std::unique_ptr<Backend<float>> make_cpu_backend<float>(int);
template std::unique_ptr<Backend<double>> make_cpu_backend<double>(int);

}  // namespace ortho
