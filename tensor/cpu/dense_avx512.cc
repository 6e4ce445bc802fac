// The dense kernels for AVX-512: 32 registers of 64 bytes.
#include "tensor/cpu/dense_isa.h"
#include "tensor/cpu/dense_tiles.h"

namespace ortho {
namespace {

struct Avx512 {
  static constexpr int kBytes = 64;
  static constexpr int kOutputs = 8;
};

}  // namespace

constinit const DenseKernels<float> dense_avx512_float = DenseTiles<float, Avx512>::kernels();
constinit const DenseKernels<double> dense_avx512_double = DenseTiles<double, Avx512>::kernels();

}  // namespace ortho
