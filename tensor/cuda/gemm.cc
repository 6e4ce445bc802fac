// C = op(A) * op(B) by cuBLAS, in float32 without TF32.
//
// cuBLAS counts in columns: it is given C^T = op(B)^T * op(A)^T, whose columns are our rows.
#include "tensor/cuda/gemm.h"

#include "tensor/cuda/cuda_backend.h"

namespace ortho {
namespace {

cublasOperation_t letter(Transpose t) { return t == Transpose::yes ? CUBLAS_OP_T : CUBLAS_OP_N; }

}  // namespace

void multiply(const CudaDevice& device, Transpose ta, Transpose tb, const Product& product,
              const float* a, const float* b, float* c, bool add) {
  if (product.m == 0 || product.n == 0 || product.count == 0) return;
  const float one = 1, keep = add ? 1 : 0;
  if (product.count == 1)
    return check_cublas(cublasSgemm_v2_64(device.blas(), letter(tb), letter(ta), product.n,
                                          product.m, product.k, &one, b, product.ldb, a,
                                          product.lda, &keep, c, product.ldc));
  check_cublas(cublasSgemmStridedBatched_64(device.blas(), letter(tb), letter(ta), product.n,
                                            product.m, product.k, &one, b, product.ldb,
                                            product.b_step, a, product.lda, product.a_step, &keep,
                                            c, product.ldc, product.c_step, product.count));
}

template <class T>
void CudaBackend<T>::gemm(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n,
                          std::int64_t k, const T* a, std::int64_t lda, const T* b,
                          std::int64_t ldb, T* c, std::int64_t ldc, bool add) {
  multiply(device_, ta, tb, {m, n, k, lda, ldb, ldc}, a, b, c, add);
}

template class CudaBackend<float>;

}  // namespace ortho
