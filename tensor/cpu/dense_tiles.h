// The register tiles of dense_kernels.h, written once with compiler vectors and instantiated for
// each instruction set in its own file, which is compiled with that set's flags.
//
// Isa says how wide a vector is and how many accumulators fit the registers. It is part of every
// name here, so the linker cannot mix up two instruction sets; include nothing that is not. Each
// output is one chain of additions over rising k: tile sizes never change a result of `rows`.
#pragma once

#include <cstdint>
#include <type_traits>

#include "tensor/cpu/dense_kernels.h"

namespace ortho {

template <class T, class Isa>
struct DenseTiles {
  template <int kBytes>
  struct VectorOf {
    typedef T type __attribute__((vector_size(kBytes)));
  };
  template <int kBytes>
  using Vector = typename VectorOf<kBytes>::type;
  static constexpr int kScalar = sizeof(T);
  using I = std::int64_t;

  template <class V>
  static void load(V& v, const T* from) {
    __builtin_memcpy(&v, from, sizeof(V));
  }
  template <class V>
  static void store(const V& v, T* to, bool add) {
    V sum = v;
    if (add) {
      load(sum, to);
      sum += v;
    }
    __builtin_memcpy(to, &sum, sizeof(V));
  }

  // Rows at any pitch -> rows side by side. Rows a power of two apart share a few cache sets and
  // would push each other out before their second use.
  static constexpr I kPacked = 4096;  // elements at most
  static void pack(const T* from, I pitch, I rows, I columns, T* to) {
    constexpr I kStep = Isa::kBytes / kScalar;
    for (I row = 0; row < rows; ++row, from += pitch, to += columns) {
      I c = 0;
      for (; c + kStep <= columns; c += kStep) __builtin_memcpy(to + c, from + c, Isa::kBytes);
      for (; c < columns; ++c) to[c] = from[c];
    }
  }

  // ---- rows ----

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
      for (int v = 0; v < kVectors; ++v) load(in[v], f.x + k * f.x_in + v * kStep);
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
      for (int v = 0; v < kVectors; ++v) store(sum[o][v], y + (j + o) * t.y_out + v * kStep, t.add);
  }

  template <int kBytes, int kVectors, int kOutputs>
  static void rows_outputs(const RowsTask<T>& t, const Factors& f, T* y, I j) {
    for (; j + kOutputs <= t.outputs; j += kOutputs)
      rows_tile<kBytes, kVectors, kOutputs>(t, f, y, j);
    if constexpr (kOutputs > 1) rows_outputs<kBytes, kVectors, kOutputs / 2>(t, f, y, j);
  }

  // Columns from r on, in strips of this width and then of every narrower one.
  template <int kBytes, int kVectors>
  static void rows_columns(const RowsTask<T>& t, Factors f, T* y, I r) {
    constexpr I kStep = kVectors * kBytes / kScalar;
    const T* x = f.x;
    const I inputs = t.band.hi(t.outputs - 1);
    T strip[kBytes == Isa::kBytes ? kPacked : 1];
    const bool packed = kBytes == Isa::kBytes && t.outputs > Isa::kOutputs && t.band.lo(0) >= 0 &&
                        inputs * kStep <= kPacked;
    for (; r + kStep <= t.run; r += kStep) {
      f.x = packed ? strip : x + r;
      if (packed) pack(x + r, t.x_in, inputs, kStep, strip);
      f.x_in = packed ? kStep : t.x_in;
      rows_outputs<kBytes, kVectors, Isa::kOutputs>(t, f, y + r, 0);
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
    const bool by_column =
        t.a_out == 1;  // W's rows are inputs, its columns outputs; or both swapped
    const I inputs = t.band.last;
    const I w_rows = by_column ? inputs : t.outputs, w_columns = by_column ? t.outputs : inputs;
    const bool packed =
        (by_column || t.a_in == 1) && t.a_line != 0 && w_rows * w_columns <= kPacked;
    for (I line = 0; line < t.lines; ++line) {
      Factors f{t.a + line * t.a_line, t.x + line * t.x_line, t.a_out, t.a_in, t.x_in};
      if (packed) {
        pack(f.a, by_column ? t.a_in : t.a_out, w_rows, w_columns, weights);
        f.a = weights;
        (by_column ? f.a_in : f.a_out) = w_columns;
      }
      rows_columns<Isa::kBytes, 2>(t, f, t.y + line * t.y_line, 0);
    }
  }

  // ---- dots ----

  // The lanes of each of kCount vectors, summed in pairs of neighbours, pairs of pairs and so on.
  // Two vectors fold into one while there are two; the tree, and so the result, is the same for any
  // kCount.
  template <int kBytes, int kCount>
  static void sum_lanes(Vector<kBytes> (&v)[kCount], T (&total)[kCount]) {
    constexpr int kLanes = kBytes / kScalar;
    typedef std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t> Whole;
    typedef Whole Pick __attribute__((vector_size(kBytes)));
    Pick even, odd;
    for (int i = 0; i < kLanes; ++i) {
      even[i] = static_cast<Whole>(2 * i);
      odd[i] = static_cast<Whole>(2 * i + 1);
    }
    constexpr int kLeft = kCount < kLanes ? kLanes / kCount : 1;  // lanes of one vector when folded
    for (int count = kCount, width = kLanes; width > kLeft; width /= 2, count /= 2)
      for (int i = 0; i < count / 2; ++i)
        v[i] = __builtin_shuffle(v[2 * i], v[2 * i + 1], even) +
               __builtin_shuffle(v[2 * i], v[2 * i + 1], odd);
    for (int i = 0; i < kCount; ++i) {
      T left[kLeft];
      for (int lane = 0; lane < kLeft; ++lane)
        left[lane] = v[(i * kLeft + lane) / kLanes][(i * kLeft + lane) % kLanes];
      for (int pairs = kLeft / 2; pairs > 0; pairs /= 2)
        for (int lane = 0; lane < pairs; ++lane) left[lane] = left[2 * lane] + left[2 * lane + 1];
      total[i] = left[0];
    }
  }

  template <int kBytes, int kIn, int kOut>
  static void dots_tile(const DotsTask<T>& t, const T* u, const T* v, T* d, I k, I j) {
    using V = Vector<kBytes>;
    constexpr int kLanes = kBytes / kScalar;
    V sum[kIn * kOut] = {};
    T rest[kIn * kOut] = {}, total[kIn * kOut];
    for (I segment = 0; segment < t.segments; ++segment) {
      const T* p = u + k * t.u_in + segment * t.u_segment;
      const T* q = v + j * t.v_out + segment * t.v_segment;
      I r = 0;
      for (; r + kLanes <= t.run; r += kLanes) {
        V a[kIn], b;
        for (int i = 0; i < kIn; ++i) load(a[i], p + i * t.u_in + r);
        for (int o = 0; o < kOut; ++o) {
          load(b, q + o * t.v_out + r);
          for (int i = 0; i < kIn; ++i) sum[i * kOut + o] += a[i] * b;
        }
      }
      for (; r < t.run; ++r)
        for (int i = 0; i < kIn; ++i)
          for (int o = 0; o < kOut; ++o)
            rest[i * kOut + o] += p[i * t.u_in + r] * q[o * t.v_out + r];
    }
    sum_lanes<kBytes>(sum, total);
    for (int i = 0; i < kIn; ++i)
      for (int o = 0; o < kOut; ++o) {
        if (!t.band.has(k + i, j + o)) continue;
        T& to = d[(k + i) * t.d_in + (j + o) * t.d_out];
        to = (t.add ? to : T(0)) + (total[i * kOut + o] + rest[i * kOut + o]);
      }
  }

  template <int kBytes, int kIn, int kOut>
  static void dots_outputs(const DotsTask<T>& t, const T* u, const T* v, T* d, I k, I j) {
    for (; j + kOut <= t.outputs; j += kOut)
      if (t.band.lo(j) < k + kIn && k < t.band.hi(j + kOut - 1))
        dots_tile<kBytes, kIn, kOut>(t, u, v, d, k, j);
    if constexpr (kOut > 1) dots_outputs<kBytes, kIn, kOut / 2>(t, u, v, d, k, j);
  }

  template <int kBytes, int kIn>
  static void dots_inputs(const DotsTask<T>& t, const T* u, const T* v, T* d, I k) {
    for (; k + kIn <= t.band.hi(t.outputs - 1); k += kIn)
      dots_outputs<kBytes, kIn, Isa::kOutputs / 2>(t, u, v, d, k, 0);
    if constexpr (kIn > 1) dots_inputs<kBytes, kIn / 2>(t, u, v, d, k);
  }

  // Runs shorter than a vector take a narrower one.
  template <int kBytes>
  static void dots_lines(const DotsTask<T>& t) {
    if constexpr (kBytes > 16)
      if (t.run * kScalar < kBytes) return dots_lines<kBytes / 2>(t);
    for (I line = 0; line < t.lines; ++line)
      dots_inputs<kBytes, 4>(t, t.u + line * t.u_line, t.v + line * t.v_line, t.d + line * t.d_line,
                             t.band.lo(0));
  }

  // Both factors are read once for each tile; lines that fit are packed first.
  static void dots(const DotsTask<T>& t) {
    T u[kPacked], v[kPacked];
    const I inputs = t.band.last;
    const bool packed = t.segments == 1 && t.band.lo(0) >= 0 && inputs > 4 && t.u_in != t.run &&
                        inputs * t.run <= kPacked && t.outputs * t.run <= kPacked;
    if (!packed) return dots_lines<Isa::kBytes>(t);
    DotsTask<T> one = t;
    one.lines = 1;
    one.u = u;
    one.v = v;
    one.u_in = one.v_out = t.run;
    for (I line = 0; line < t.lines; ++line, one.d += t.d_line) {
      pack(t.u + line * t.u_line, t.u_in, inputs, t.run, u);
      pack(t.v + line * t.v_line, t.v_out, t.outputs, t.run, v);
      dots_lines<Isa::kBytes>(one);
    }
  }

  // ---- channels innermost, separate weights ----

  // `kRows` windows from x on; the weights of the lanes are gathered once for all of them.
  template <int kBytes, int kRows>
  static void channel_tile(const ChannelTask<T>& t, const T* a, const T* x, T* y, I j) {
    using V = Vector<kBytes>;
    V sum[kRows] = {};
    for (I k = t.band.lo(j); k < t.band.hi(j); ++k) {
      const T* from = a + j * t.a_out + k * t.a_in;
      V weight, in;
      for (int lane = 0; lane < kBytes / kScalar; ++lane) weight[lane] = from[lane * t.a_channel];
      for (int b = 0; b < kRows; ++b) {
        load(in, x + k * t.x_in + b * t.channels);
        sum[b] += weight * in;
      }
    }
    for (int b = 0; b < kRows; ++b) store(sum[b], y + j * t.y_out + b * t.channels, t.add);
  }

  template <int kBytes, int kRows>
  static void channel_batch(const ChannelTask<T>& t, const T* a, const T* x, T* y, I b) {
    for (; b + kRows <= t.batch; b += kRows)
      for (I j = 0; j < t.outputs; ++j)
        channel_tile<kBytes, kRows>(t, a, x + b * t.channels, y + b * t.channels, j);
    if constexpr (kRows > 1) channel_batch<kBytes, kRows / 2>(t, a, x, y, b);
  }

  template <int kBytes>
  static void channel_lanes(const ChannelTask<T>& t, const T* a, const T* x, T* y, I c) {
    constexpr I kStep = kBytes / kScalar;
    for (; c + kStep <= t.channels; c += kStep)
      channel_batch<kBytes, Isa::kOutputs>(t, a + c * t.a_channel, x + c, y + c, 0);
    if constexpr (kBytes > kScalar) channel_lanes<kBytes / 2>(t, a, x, y, c);
  }

  static void channel_rows(const ChannelTask<T>& t) {
    for (I line = 0; line < t.lines; ++line)
      channel_lanes<Isa::kBytes>(t, t.a + line * t.a_line, t.x + line * t.x_line,
                                 t.y + line * t.y_line, 0);
  }

  template <int kBytes, int kIn>
  static void channel_dots_inputs(const ChannelDotsTask<T>& t, const T* u, const T* v, T* d, I k,
                                  I j) {
    using V = Vector<kBytes>;
    for (; k + kIn <= t.band.hi(j); k += kIn) {
      V sum[kIn] = {};
      for (I b = 0; b < t.batch; ++b) {
        V in, out;
        load(out, v + j * t.v_out + b * t.channels);
        for (int i = 0; i < kIn; ++i) {
          load(in, u + (k + i) * t.u_in + b * t.channels);
          sum[i] += in * out;
        }
      }
      for (int i = 0; i < kIn; ++i)
        for (int lane = 0; lane < kBytes / kScalar; ++lane)
          d[lane * t.d_channel + (k + i) * t.d_in + j * t.d_out] += sum[i][lane];
    }
    if constexpr (kIn > 1) channel_dots_inputs<kBytes, kIn / 2>(t, u, v, d, k, j);
  }

  template <int kBytes>
  static void channel_dots_lanes(const ChannelDotsTask<T>& t, const T* u, const T* v, T* d, I c) {
    constexpr I kStep = kBytes / kScalar;
    for (; c + kStep <= t.channels; c += kStep)
      for (I j = 0; j < t.outputs; ++j)
        channel_dots_inputs<kBytes, 4>(t, u + c, v + c, d + c * t.d_channel, t.band.lo(j), j);
    if constexpr (kBytes > kScalar) channel_dots_lanes<kBytes / 2>(t, u, v, d, c);
  }

  static void channel_dots(const ChannelDotsTask<T>& t) {
    for (I line = 0; line < t.lines; ++line)
      channel_dots_lanes<Isa::kBytes>(t, t.u + line * t.u_line, t.v + line * t.v_line,
                                      t.d + line * t.d_line, 0);
  }

  static constexpr DenseKernels<T> kernels() { return {rows, dots, channel_rows, channel_dots}; }
};

}  // namespace ortho
