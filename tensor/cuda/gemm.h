// Products of matrices by cuBLAS, row-major, one or many at equal distances.
#pragma once

#include <cstdint>

#include "tensor/backend.h"
#include "tensor/cuda/cuda_device.h"

namespace ortho {

struct Product {
  std::int64_t m, n, k, lda, ldb, ldc;
  std::int64_t count = 1, a_step = 0, b_step = 0, c_step = 0;  // elements between products
};

// C[m][n] = op(A)[m][k] * op(B)[k][n] (+ C) of all products. Several must not share a C.
void multiply(const CudaDevice& device, Transpose ta, Transpose tb, const Product& product,
              const float* a, const float* b, float* c, bool add);

}  // namespace ortho
