// The dense kernels for AVX-512: 32 registers of 64 bytes.
#include "tensor/cpu/dense_dots.h"
#include "tensor/cpu/dense_isa.h"
#include "tensor/cpu/dense_lanes.h"
#include "tensor/cpu/dense_open.h"
#include "tensor/cpu/dense_pairs.h"

namespace ortho {
namespace {

struct Avx512 {
  static constexpr int kBytes = 64;
  static constexpr int kOutputs = 8;
  static constexpr int kRows = 12;
};

template <class T>
constexpr DenseKernels<T> kernels() {
  using Pairs = DensePairs<T, Avx512>;
  using Lanes = DenseLanes<T, Avx512>;
  using Open = DenseOpen<T, Avx512>;
  return {Pairs::rows,         Pairs::dots,         Pairs::pairs,        Pairs::pairs_dots,
          Lanes::channel_rows, Lanes::channel_dots, Open::open_channels, Open::open_channels_dots};
}

}  // namespace

constinit const DenseKernels<float> dense_avx512_float = kernels<float>();
constinit const DenseKernels<double> dense_avx512_double = kernels<double>();

}  // namespace ortho
