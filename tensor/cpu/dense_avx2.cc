// The dense kernels for AVX2 and FMA: 16 registers of 32 bytes.
#include "tensor/cpu/dense_dots.h"
#include "tensor/cpu/dense_isa.h"
#include "tensor/cpu/dense_lanes.h"
#include "tensor/cpu/dense_open.h"
#include "tensor/cpu/dense_pairs.h"

namespace ortho {
namespace {

struct Avx2 {
  static constexpr int kBytes = 32;
  static constexpr int kOutputs = 4;
  static constexpr int kRows = 6;
};

template <class T>
constexpr DenseKernels<T> kernels() {
  using Pairs = DensePairs<T, Avx2>;
  using Lanes = DenseLanes<T, Avx2>;
  using Open = DenseOpen<T, Avx2>;
  return {Pairs::rows,         Pairs::dots,         Pairs::pairs,        Pairs::pairs_dots,
          Lanes::channel_rows, Lanes::channel_dots, Open::open_channels, Open::open_channels_dots};
}

}  // namespace

constinit const DenseKernels<float> dense_avx2_float = kernels<float>();
constinit const DenseKernels<double> dense_avx2_double = kernels<double>();

}  // namespace ortho
