// The tiles of ChannelTask and ChannelDotsTask: each lane is a channel with a weight of its own.
#pragma once

#include "tensor/cpu/dense_vectors.h"

namespace ortho {

template <class T, class Isa>
struct DenseLanes : DenseVectors<T, Isa> {
  using Base = DenseVectors<T, Isa>;
  template <int kBytes>
  using Vector = typename Base::template Vector<kBytes>;
  using Base::kScalar, Base::load, Base::store;
  using typename Base::I;

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
};

}  // namespace ortho
