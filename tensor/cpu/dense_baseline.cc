// The dense kernels for every 64-bit x86: 16 registers of 16 bytes.
#include "tensor/cpu/dense_dots.h"
#include "tensor/cpu/dense_isa.h"
#include "tensor/cpu/dense_lanes.h"
#include "tensor/cpu/dense_open.h"
#include "tensor/cpu/dense_pairs.h"

namespace ortho {
namespace {

struct Baseline {
  static constexpr int kBytes = 16;
  static constexpr int kOutputs = 4;
  static constexpr int kRows = 6;
};

template <class T>
constexpr DenseKernels<T> kernels() {
  using Pairs = DensePairs<T, Baseline>;
  using Lanes = DenseLanes<T, Baseline>;
  using Open = DenseOpen<T, Baseline>;
  return {Pairs::rows,         Pairs::dots,         Pairs::pairs,        Pairs::pairs_dots,
          Lanes::channel_rows, Lanes::channel_dots, Open::open_channels, Open::open_channels_dots};
}

}  // namespace

constinit const DenseKernels<float> dense_baseline_float = kernels<float>();
constinit const DenseKernels<double> dense_baseline_double = kernels<double>();

}  // namespace ortho
