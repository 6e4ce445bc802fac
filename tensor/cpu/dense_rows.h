// The tiles of RowsTask: a few outputs by one or two vectors, each weight broadcast over them.
//
// Each output is one chain of additions over rising k, so tile sizes never change a result.
#pragma once

#include "tensor/cpu/dense_vectors.h"

namespace ortho {

template <class T, class Isa>
struct DenseRows : DenseVectors<T, Isa> {
  using Base = DenseVectors<T, Isa>;
  template <int kBytes>
  using Vector = typename Base::template Vector<kBytes>;
  using Base::kScalar, Base::load, Base::store, Base::pack, Base::kPacked;
  using typename Base::I;

  // The factors of a line: its weights and its inputs, in place or packed.
  struct Factors {
    const T *a, *x;
    I a_out, a_in, x_in;
  };

  // kOutputs x kVectors accumulators; f.x, y at the first column, j the first output.
  template <int kBytes, int kVectors, int kOutputs>
  static void rows_tile(const RowsTask<T>& t, const Factors& f, T* y, I j) {
    using V = Vector<kBytes>;
    constexpr I kStep = kBytes / kScalar;
    V sum[kOutputs][kVectors] = {};
    const I from = t.band.lo(j + kOutputs - 1), end = t.band.hi(j), to = end < from ? from : end;
    const auto multiply = [&](I k, bool whole) __attribute__((always_inline)) {
      V in[kVectors];
      for (int v = 0; v < kVectors; ++v) {
        load(in[v], f.x + k * f.x_in + v * kStep);
        if (t.in_cache) __builtin_prefetch(f.x + k * f.x_in + v * kStep + t.x_line);
      }
      for (int o = 0; o < kOutputs; ++o) {
        if (!whole && !t.band.has(k, j + o)) continue;
        const T weight = f.a[(j + o) * f.a_out + k * f.a_in];
        for (int v = 0; v < kVectors; ++v) sum[o][v] += weight * in[v];
      }
    };
    for (I k = t.band.lo(j); k < from; ++k) multiply(k, false);
    for (I k = from; k < to; ++k) multiply(k, true);
    for (I k = to; k < t.band.hi(j + kOutputs - 1); ++k) multiply(k, false);
    for (int o = 0; o < kOutputs; ++o)
      for (int v = 0; v < kVectors; ++v) {
        T* to_y = y + (j + o) * t.y_out + v * kStep;
        store(sum[o][v], to_y, t.add);
        __builtin_prefetch(to_y + t.y_line, 1);
      }
  }

  // One tile of exactly `count` outputs, at most kOutputs.
  template <int kBytes, int kVectors, int kOutputs>
  static void rows_exact(const RowsTask<T>& t, const Factors& f, T* y, I j, I count) {
    if (count == kOutputs) return rows_tile<kBytes, kVectors, kOutputs>(t, f, y, j);
    if constexpr (kOutputs > 1) rows_exact<kBytes, kVectors, kOutputs - 1>(t, f, y, j, count);
  }

  // Tiles of nearly one size: a small one would wait for its own sums.
  template <int kBytes, int kVectors>
  static void rows_outputs(const RowsTask<T>& t, const Factors& f, T* y) {
    const I tiles = (t.outputs + Isa::kRows - 1) / Isa::kRows;
    for (I tile = 0, j = 0; tile < tiles; ++tile) {
      const I next = t.outputs * (tile + 1) / tiles;
      rows_exact<kBytes, kVectors, Isa::kRows>(t, f, y, j, next - j);
      j = next;
    }
  }

  // Columns from r on, in strips of this width and then of every narrower one.
  template <int kBytes, int kVectors>
  static void rows_columns(const RowsTask<T>& t, Factors f, T* y, I r) {
    constexpr I kStep = kVectors * kBytes / kScalar;
    const T* x = f.x;
    const I inputs = t.band.hi(t.outputs - 1);
    T strip[kBytes == Isa::kBytes ? kPacked : 1];
    const bool packed = !t.in_cache && kBytes == Isa::kBytes && t.outputs > Isa::kRows &&
                        t.band.lo(0) >= 0 && inputs * kStep <= kPacked;
    for (; r + kStep <= t.run; r += kStep) {
      f.x = packed ? strip : x + r;
      if (packed) pack(x + r, t.x_in, inputs, kStep, t.x_line, strip);
      f.x_in = packed ? kStep : t.x_in;
      rows_outputs<kBytes, kVectors>(t, f, y + r);
    }
    f.x = x;
    f.x_in = t.x_in;
    if constexpr (kVectors > 1) {
      rows_columns<kBytes, 1>(t, f, y, r);
    } else if constexpr (kBytes > kScalar) {
      rows_columns<kBytes / 2, 1>(t, f, y, r);
    }
  }

  static void rows(const RowsTask<T>& t) {
    T weights[kPacked];
    // W's rows are inputs, its columns outputs; or both swapped
    const bool by_column = t.a_out == 1;
    const I inputs = t.band.last;
    const I w_rows = by_column ? inputs : t.outputs, w_columns = by_column ? t.outputs : inputs;
    // Causal wiring steps backwards through W, which then is no array of inputs and outputs.
    const bool packed = !t.in_cache && (by_column ? t.a_in >= 0 : t.a_in == 1 && t.a_out >= 0) &&
                        t.a_line != 0 && w_rows * w_columns <= kPacked;
    for (I line = 0; line < t.lines; ++line) {
      Factors f{t.a + line * t.a_line, t.x + line * t.x_line, t.a_out, t.a_in, t.x_in};
      if (packed) {
        pack(f.a, by_column ? t.a_in : t.a_out, w_rows, w_columns, t.a_line, weights);
        f.a = weights;
        (by_column ? f.a_in : f.a_out) = w_columns;
      }
      rows_columns<Isa::kBytes, 2>(t, f, t.y + line * t.y_line, 0);
    }
  }
};

}  // namespace ortho
