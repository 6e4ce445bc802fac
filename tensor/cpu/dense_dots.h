// The tiles of DotsTask: four inputs by a few outputs, one vector of partial sums each.
//
// How lanes and runs are summed does not depend on the tile a weight falls in.
#pragma once

#include "tensor/cpu/dense_rows.h"

namespace ortho {

template <class T, class Isa>
struct DenseDots : DenseRows<T, Isa> {
  using Base = DenseRows<T, Isa>;
  template <int kBytes>
  using Vector = typename Base::template Vector<kBytes>;
  using Base::kScalar, Base::load, Base::kPacked;
  using typename Base::I;

  static constexpr I kMinColumns = 16;  // of a packed part

  // The lanes of each of kCount vectors, summed in pairs of neighbours,
  // pairs of pairs and so on. Two vectors fold into one while there are two;
  // the tree, and so the result, is the same for any kCount.
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

  static constexpr I kProduct = 16384;  // elements of either factor of a part, at most

  // A grid's line with weights of its own: d = u * v^T as rows, with v transposed, and its rows
  // filled up to whole vectors. No sums across lanes.
  static bool is_product(const DotsTask<T>& t) {
    const Band& b = t.band;
    return t.d_line != 0 && t.segments == 1 && t.d_out == 1 && b.lo_slope == 0 && b.hi_slope == 0 &&
           b.lo(0) == 0 && 2 * t.outputs >= Base::kLanes &&
           whole_lanes(t.outputs) * kMinColumns <= kProduct && b.hi(0) * kMinColumns <= kProduct;
  }
  static constexpr I whole_lanes(I count) {
    return (count + Base::kLanes - 1) / Base::kLanes * Base::kLanes;
  }

  static void product(const DotsTask<T>& t) {
    T u[kProduct], v[kProduct], sums[kProduct];
    const I inputs = t.band.hi(0), width = whole_lanes(t.outputs);
    const I columns = kProduct / (inputs > width ? inputs : width) / kMinColumns * kMinColumns;
    const bool filled = width > t.outputs;  // its sums need a place with room for them
    for (I line = 0; line < t.lines; ++line)
      for (I r = 0; r < t.run; r += columns) {
        const I part = t.run - r < columns ? t.run - r : columns;
        const T* rows = t.u + line * t.u_line + r;
        if (!t.in_cache) Base::pack(rows, t.u_in, inputs, part, t.u_line, u);
        Base::pack_filled(t.v + line * t.v_line + r, t.v_out, t.outputs, part, t.v_line, v, width);
        T* const d = t.d + line * t.d_line;
        const I batch = filled ? kProduct / width : inputs;
        for (I k = 0; k < inputs; k += batch) {
          const I few = inputs - k < batch ? inputs - k : batch, u_in = t.in_cache ? t.u_in : part;
          const bool add = t.add || r > 0;
          Base::rows({(t.in_cache ? rows : u) + k * u_in,
                      v,
                      filled ? sums : d + k * t.d_in,
                      1,
                      few,
                      width,
                      0,
                      0,
                      0,
                      u_in,
                      1,
                      width,
                      filled ? width : t.d_in,
                      {0, 0, part, 0, 0, part},
                      add && !filled,
                      true});
          for (I i = 0; filled && i < few; ++i)
            for (I j = 0; j < t.outputs; ++j) {
              T& to = d[(k + i) * t.d_in + j];
              to = (add ? to : T(0)) + sums[i * width + j];
            }
        }
      }
  }

  static void dots(const DotsTask<T>& t) {
    is_product(t) ? product(t) : dots_lines<Isa::kBytes>(t);
  }
};

}  // namespace ortho
