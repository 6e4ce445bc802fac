#include "tensor/cpu/dense_kernels.h"

#include "tensor/cpu/dense_isa.h"

namespace ortho {

template <>
const DenseKernels<float>& dense_kernels() {
  if (__builtin_cpu_supports("x86-64-v4")) return dense_avx512_float;
  if (__builtin_cpu_supports("x86-64-v3")) return dense_avx2_float;
  return dense_baseline_float;
}

template <>
const DenseKernels<double>& dense_kernels() {
  if (__builtin_cpu_supports("x86-64-v4")) return dense_avx512_double;
  if (__builtin_cpu_supports("x86-64-v3")) return dense_avx2_double;
  return dense_baseline_double;
}

}  // namespace ortho
