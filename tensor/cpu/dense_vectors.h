// Vectors of one instruction set, and rows packed side by side: what tiles are made of.
//
// The tiles (dense_rows.h, dense_dots.h, dense_lanes.h, dense_pairs.h) are written once and
// instantiated for each instruction set in its own file, with that set's flags. Isa says how wide a
// vector is and how many outputs a tile has, kRows where each is two vectors wide; it is part of
// every name, so the linker cannot mix up two sets.
// Include nothing here that is not.
#pragma once

#include <cstdint>
#include <type_traits>

#include "tensor/cpu/dense_kernels.h"

namespace ortho {

template <class T, class Isa>
struct DenseVectors {
  template <int kBytes>
  struct VectorOf {
    typedef T type __attribute__((vector_size(kBytes)));
  };
  template <int kBytes>
  using Vector = typename VectorOf<kBytes>::type;
  static constexpr int kScalar = sizeof(T);
  using I = std::int64_t;
  static constexpr int kLanes = Isa::kBytes / kScalar;
  using Full = Vector<Isa::kBytes>;

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
  static void pack(const T* from, I pitch, I rows, I columns, I ahead, T* to) {
    for (I row = 0; row < rows; ++row, from += pitch, to += columns) {
      I c = 0;
      for (; c + kLanes <= columns; c += kLanes) {
        __builtin_memcpy(to + c, from + c, Isa::kBytes);
        __builtin_prefetch(from + c + ahead);
      }
      for (; c < columns; ++c) to[c] = from[c];
    }
  }

  // L vectors of L lanes, transposed: each round interleaves the two halves, log2(L) rounds turn
  // the index (row, lane) around.
  static void transpose(Full (&v)[kLanes]) {
    typedef std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t> Whole;
    typedef Whole Pick __attribute__((vector_size(Isa::kBytes)));
    Pick low, high;
    for (int i = 0; i < kLanes; ++i) {
      low[i] = static_cast<Whole>(i / 2 + i % 2 * kLanes);
      high[i] = static_cast<Whole>(low[i] + kLanes / 2);
    }
    for (int round = 1; round < kLanes; round *= 2) {
      Full next[kLanes];
      for (int i = 0; i < kLanes / 2; ++i) {
        next[2 * i] = __builtin_shuffle(v[i], v[i + kLanes / 2], low);
        next[2 * i + 1] = __builtin_shuffle(v[i], v[i + kLanes / 2], high);
      }
      for (int i = 0; i < kLanes; ++i) v[i] = next[i];
    }
  }

  // to[column][row] = from[row][column].
  static void pack_transposed(const T* from, I pitch, I rows, I columns, I ahead, T* to) {
    I row = 0;
    for (; row + kLanes <= rows; row += kLanes) {
      I c = 0;
      for (; c + kLanes <= columns; c += kLanes) {
        Full v[kLanes];
        for (int i = 0; i < kLanes; ++i) {
          load(v[i], from + (row + i) * pitch + c);
          __builtin_prefetch(from + (row + i) * pitch + c + ahead);
        }
        transpose(v);
        for (int i = 0; i < kLanes; ++i) store(v[i], to + (c + i) * rows + row, false);
      }
      for (; c < columns; ++c)
        for (int i = 0; i < kLanes; ++i) to[c * rows + row + i] = from[(row + i) * pitch + c];
    }
    for (; row < rows; ++row)
      for (I c = 0; c < columns; ++c) to[c * rows + row] = from[row * pitch + c];
  }

  // The same in steps of `to_row`, rows filled up to whole vectors with 0.
  static void pack_filled(const T* from, I pitch, I rows, I columns, I ahead, T* to, I to_row) {
    for (I row = 0; row < rows; row += kLanes) {
      const I here = rows - row < kLanes ? rows - row : kLanes;
      for (I c = 0; c < columns; c += kLanes) {
        const I width = columns - c < kLanes ? columns - c : kLanes;
        Full v[kLanes] = {};
        for (I i = 0; i < here; ++i) {
          const T* const at = from + (row + i) * pitch + c;
          if (width == kLanes)
            load(v[i], at);
          else
            for (I lane = 0; lane < width; ++lane) v[i][lane] = at[lane];
          __builtin_prefetch(at + ahead);
        }
        transpose(v);
        for (I i = 0; i < width; ++i) store(v[i], to + (c + i) * to_row + row, false);
      }
    }
  }
};

}  // namespace ortho
