// The dense kernels for AVX2 and FMA: 16 registers of 32 bytes.
#include "tensor/cpu/dense_isa.h"
#include "tensor/cpu/dense_tiles.h"

namespace ortho {
namespace {

struct Avx2 {
  static constexpr int kBytes = 32;
  static constexpr int kOutputs = 4;
};

}  // namespace

constinit const DenseKernels<float> dense_avx2_float = DenseTiles<float, Avx2>::kernels();
constinit const DenseKernels<double> dense_avx2_double = DenseTiles<double, Avx2>::kernels();

}  // namespace ortho
