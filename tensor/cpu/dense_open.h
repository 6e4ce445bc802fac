// The tiles of the open_* tasks: channel maps without the terms whose weight is 0.
//
// A tile of rows is turned around, so that an open weight is broadcast over up to four vectors of
// its input's rows. Each output is one chain of additions over rising inputs, so neither tiles nor
// the number of rows change a result.
#pragma once

#include "tensor/cpu/dense_dots.h"

namespace ortho {

template <class T, class Isa>
struct DenseOpen : DenseDots<T, Isa> {
  using Base = DenseDots<T, Isa>;
  template <int kBytes>
  using Vector = typename Base::template Vector<kBytes>;
  using Base::kScalar, Base::load, Base::store, Base::pack_transposed;
  using typename Base::I;
  using List = OpenList<T>;

  static constexpr I kRows = 64;      // of a transposed tile
  static constexpr I kBlock = 32;     // outputs that are transposed back at once
  static constexpr I kDotRows = 256;  // of a tile for dot products, whose lanes must be summed
  static constexpr int kGroup = Isa::kOutputs * 2;  // dot products at once

  // ---- sums of rows ----

  template <int kBytes, int kVectors>
  static void open_tile(const List& list, const T* x, I x_in, T* y, bool add) {
    constexpr I kStep = kBytes / kScalar;
    Vector<kBytes> sum[kVectors] = {}, in;
    for (I e = 0; e < list.count; ++e) {
      const T* row = x + list.inputs[e] * x_in;
      const T weight = list.values[e];
      for (int v = 0; v < kVectors; ++v) {
        load(in, row + v * kStep);
        sum[v] += weight * in;
      }
    }
    for (int v = 0; v < kVectors; ++v) store(sum[v], y + v * kStep, add);
  }

  // Columns r … run - 1 in strips of this width and then of every narrower one.
  template <int kBytes, int kVectors>
  static void open_columns(const List& list, const T* x, I x_in, T* y, I r, I run, bool add) {
    constexpr I kStep = kVectors * kBytes / kScalar;
    for (; r + kStep <= run; r += kStep) open_tile<kBytes, kVectors>(list, x + r, x_in, y + r, add);
    if (r == run) return;
    if constexpr (kVectors > 1) {
      open_columns<kBytes, kVectors / 2>(list, x, x_in, y, r, run, add);
    } else if constexpr (kBytes > kScalar) {
      open_columns<kBytes / 2, 1>(list, x, x_in, y, r, run, add);
    }
  }

  // ---- dot products ----

  // total[i] = u[inputs[i]] * v.
  template <int kBytes, int kCount>
  static void open_dots_tile(const std::int32_t* inputs, const T* u, I u_in, const T* v, I run,
                             T (&total)[kCount]) {
    using V = Vector<kBytes>;
    V sum[kCount] = {}, a, b;
    T rest[kCount] = {};
    I r = 0;
    for (; r + kBytes / kScalar <= run; r += kBytes / kScalar) {
      load(b, v + r);
      for (int i = 0; i < kCount; ++i) {
        load(a, u + inputs[i] * u_in + r);
        sum[i] += a * b;
      }
    }
    for (; r < run; ++r)
      for (int i = 0; i < kCount; ++i) rest[i] += u[inputs[i] * u_in + r] * v[r];
    Base::template sum_lanes<kBytes>(sum, total);
    for (int i = 0; i < kCount; ++i) total[i] += rest[i];
  }

  // add(e, dot product) for the entries e of the list from `e` on.
  template <int kBytes, int kCount, class Add>
  static void open_dots_list(const List& list, I e, const T* u, I u_in, const T* v, I run,
                             Add add) {
    for (; e + kCount <= list.count; e += kCount) {
      T total[kCount];
      open_dots_tile<kBytes, kCount>(list.inputs + e, u, u_in, v, run, total);
      for (int i = 0; i < kCount; ++i) add(e + i, total[i]);
    }
    if constexpr (kCount > 1) open_dots_list<kBytes, kCount / 2>(list, e, u, u_in, v, run, add);
  }

  // ---- rows with their channels side by side ----

  static void open_channels(const OpenChannelsTask<T>& t) {
    T x[kOpenTile], block[kBlock * kRows], back[kBlock * kRows];
    const I most = kOpenTile / t.in < kRows ? kOpenTile / t.in : kRows;
    for (I row = 0; row < t.rows; row += most) {
      const I rows = t.rows - row < most ? t.rows - row : most;
      pack_transposed(t.x + row * t.in, t.in, rows, t.in, most * t.in, x);
      for (I first = 0; first < t.out; first += kBlock) {
        const I count = t.out - first < kBlock ? t.out - first : kBlock;
        for (I o = 0; o < count; ++o)
          open_columns<Isa::kBytes, 4>(t.lists.of(first + o), x, rows, block + o * rows, 0, rows,
                                       false);
        pack_transposed(block, rows, count, rows, 0, back);
        for (I r = 0; r < rows; ++r)
          add_row(back + r * count, count, t.y + (row + r) * t.out + first, t.add);
      }
    }
  }

  static void add_row(const T* from, I count, T* to, bool add) {
    typename Base::Full v;
    I c = 0;
    for (; c + Base::kLanes <= count; c += Base::kLanes) {
      load(v, from + c);
      store(v, to + c, add);
    }
    for (; c < count; ++c) to[c] = add ? to[c] + from[c] : from[c];
  }

  static void open_channels_dots(const OpenChannelsDotsTask<T>& t) {
    T u[kOpenTile], v[kBlock * kDotRows];
    const I most = kOpenTile / t.in < kDotRows ? kOpenTile / t.in : kDotRows;
    for (I row = 0; row < t.rows; row += most) {
      const I rows = t.rows - row < most ? t.rows - row : most;
      pack_transposed(t.u + row * t.in, t.in, rows, t.in, most * t.in, u);
      for (I first = t.first; first < t.last; first += kBlock) {
        const I count = t.last - first < kBlock ? t.last - first : kBlock;
        pack_transposed(t.v + row * t.out + first, t.out, rows, count, 0, v);
        for (I o = 0; o < count; ++o) {
          const List list = t.lists.of(first + o);
          open_dots_list<Isa::kBytes, kGroup>(list, 0, u, rows, v + o * rows, rows,
                                              [&](I e, T total) { list.values[e] += total; });
        }
      }
    }
  }
};

}  // namespace ortho
