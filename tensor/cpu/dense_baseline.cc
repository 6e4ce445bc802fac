// The dense kernels for every 64-bit x86: 16 registers of 16 bytes.
#include "tensor/cpu/dense_isa.h"
#include "tensor/cpu/dense_tiles.h"

namespace ortho {
namespace {

struct Baseline {
  static constexpr int kBytes = 16;
  static constexpr int kOutputs = 4;
};

}  // namespace

constinit const DenseKernels<float> dense_baseline_float = DenseTiles<float, Baseline>::kernels();
constinit const DenseKernels<double> dense_baseline_double =
    DenseTiles<double, Baseline>::kernels();

}  // namespace ortho
