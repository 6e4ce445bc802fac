// The dense kernels of each instruction set; dense_kernels() picks one. See dense_vectors.h.
#pragma once

#include "tensor/cpu/dense_kernels.h"

namespace ortho {

extern const DenseKernels<float> dense_avx512_float, dense_avx2_float, dense_baseline_float;
extern const DenseKernels<double> dense_avx512_double, dense_avx2_double, dense_baseline_double;

}  // namespace ortho
