// Axes of two: PairsTask and PairsDotsTask, several axes for each visit of a node.
//
// Every product and sum is the one that rows and dots would form, in their order: same bits.
#pragma once

#include "tensor/cpu/dense_dots.h"

namespace ortho {

template <class T, class Isa>
struct DensePairs : DenseDots<T, Isa> {
  using Base = DenseDots<T, Isa>;
  using Base::kLanes, Base::load, Base::store;
  using typename Base::Full;
  using typename Base::I;

  // 2^kAxes nodes from row `row` on, at one place.
  template <int kAxes, bool kBack>
  static void pairs_nodes(const PairsTask<T>& t, const I (&at)[1 << kAxes], I place) {
    constexpr int kNodes = 1 << kAxes;
    for (I b = place * t.batch; b < (place + 1) * t.batch; b += kLanes) {
      Full x[kNodes], y[kNodes];
      for (int n = 0; n < kNodes; ++n) {
        load(x[n], t.x + at[n] * t.row + b);
        y[n] = Full{};
        if (t.add) load(y[n], t.y + at[n] * t.row + b);
      }
      for (int axis = 0; axis < kAxes; ++axis)
        for (int n = 0; n < kNodes; ++n) {
          const int bit = kNodes >> (axis + 1);
          if (n & bit) continue;
          const T* const w0 = t.w[axis] + at[n] * t.w_row + 2 * place;
          const T* const w1 = t.w[axis] + at[n | bit] * t.w_row + 2 * place;
          Full first = {}, second = {};
          first += w0[0] * x[n];
          first += (kBack ? w0[1] : w1[0]) * x[n | bit];
          second += (kBack ? w1[0] : w0[1]) * x[n];
          second += w1[1] * x[n | bit];
          y[n] += first;
          y[n | bit] += second;
        }
      for (int n = 0; n < kNodes; ++n) store(y[n], t.y + at[n] * t.row + b, false);
    }
  }

  template <int kAxes, bool kBack>
  static void pairs_rows(const PairsTask<T>& t) {
    I all = 0;
    for (int axis = 0; axis < kAxes; ++axis) all |= t.step[axis];
    for (I row = 0; row < t.rows; ++row) {
      if (row & all) continue;
      I at[1 << kAxes];
      for (int n = 0; n < 1 << kAxes; ++n) {
        at[n] = row;
        for (int axis = 0; axis < kAxes; ++axis)
          if (n >> (kAxes - 1 - axis) & 1) at[n] += t.step[axis];
      }
      for (I place = 0; place < t.places; ++place) pairs_nodes<kAxes, kBack>(t, at, place);
    }
  }

  template <int kAxes>
  static void pairs_axes(const PairsTask<T>& t) {
    if (t.axes == kAxes) return t.back ? pairs_rows<kAxes, true>(t) : pairs_rows<kAxes, false>(t);
    if constexpr (kAxes > 1) pairs_axes<kAxes - 1>(t);
  }
  static void pairs(const PairsTask<T>& t) { pairs_axes<kPairAxes>(t); }

  // total[i] = u . v[i], `run` elements.
  template <int kCount>
  static void products(const T* u, const T* const (&v)[kCount], I run, T (&total)[kCount]) {
    Full sum[kCount] = {}, a, b;
    for (I r = 0; r < run; r += kLanes) {
      load(a, u + r);
      for (int i = 0; i < kCount; ++i) {
        load(b, v[i] + r);
        sum[i] += a * b;
      }
    }
    Base::template sum_lanes<Isa::kBytes>(sum, total);
  }

  // The gradients of the axes from `axis` on, kCount at a time, at one node; `same` is that of its
  // own weight, which all axes have.
  template <int kCount>
  static void pairs_dots_axes(const PairsDotsTask<T>& t, I row, I place, T same, int axis) {
    for (; axis + kCount <= t.axes; axis += kCount) {
      const T* v[kCount];
      T total[kCount];
      for (int i = 0; i < kCount; ++i)
        v[i] = t.v + (row ^ t.step[axis + i]) * t.row + place * t.batch;
      products<kCount>(t.u + row * t.row + place * t.batch, v, t.batch, total);
      for (int i = 0; i < kCount; ++i) {
        T* const d = t.d + (axis + i) * t.d_axis + row * t.d_row + 2 * place;
        const bool upper = (row & t.step[axis + i]) != 0;
        d[upper] = same;
        d[!upper] = total[i];
      }
    }
    if constexpr (kCount > 1) pairs_dots_axes<kCount / 2>(t, row, place, same, axis);
  }

  static void pairs_dots(const PairsDotsTask<T>& t) {
    for (I row = 0; row < t.rows; ++row)
      for (I place = 0; place < t.places; ++place) {
        const I at = row * t.row + place * t.batch;
        const T* const v[1] = {t.v + at};
        T same[1];
        products<1>(t.u + at, v, t.batch, same);
        pairs_dots_axes<8>(t, row, place, same[0], 0);
      }
  }
};

}  // namespace ortho
