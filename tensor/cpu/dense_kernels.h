// The loops behind every dense map, and the choice
// of the instruction set they are compiled for.
//
// A task is strides and counts only. `rows` broadcasts a weight over a contiguous run, `dots` sums
// a product of two runs; both serve every axis whose nodes lie in runs. The two `channel` loops
// serve separate weights with the channels innermost, where each lane has its own, strided weight.
#pragma once

#include <cstdint>

namespace ortho {

// Which inputs k an output j uses: lo(j) <= k < hi(j). Both grow with j by `slope` 0 or 1, so a
// tile of outputs shares all but its ends. k may be negative: the line before this one.
struct Band {
  std::int64_t lo_at, lo_slope, hi_at, hi_slope;
  std::int64_t first, last;  // k below first or from last on does not exist

  // always_inline: one copy for all instruction sets would run on none of the older ones.
  [[gnu::always_inline]] std::int64_t lo(std::int64_t j) const {
    const std::int64_t k = lo_at + j * lo_slope;
    return k < first ? first : k;
  }
  [[gnu::always_inline]] std::int64_t hi(std::int64_t j) const {
    const std::int64_t k = hi_at + j * hi_slope;
    return k > last ? last : k;
  }
  [[gnu::always_inline]] bool has(std::int64_t k, std::int64_t j) const {
    return lo(j) <= k && k < hi(j);
  }
};

// y[line][j][r] (+)= sum over k in the band of a[line][j][k] * x[line][k][r], r < run contiguous.
template <class T>
struct RowsTask {
  const T *a, *x;
  T* y;
  std::int64_t lines, outputs, run;
  std::int64_t a_line, x_line, y_line;  // steps between lines
  std::int64_t a_out, a_in;             // steps of a in j and k
  std::int64_t x_in, y_out;             // steps of x in k, of y in j
  Band band;
  bool add;
  bool in_cache = false;  // nothing need be packed
};

// d[line][k][j] (+)= sum over segments and r < run of u[line][k][segment][r] *
// v[line][j][segment][r] for every k in the band of j; nothing else of d is touched.
template <class T>
struct DotsTask {
  const T *u, *v;
  T* d;
  std::int64_t lines, outputs, segments, run;
  std::int64_t u_line, v_line, d_line;
  std::int64_t u_in, u_segment, v_out, v_segment;
  std::int64_t d_in, d_out;
  Band band;
  bool add;
  bool in_cache = false;
};

constexpr int kPairAxes = 3;  // of a PairsTask, at most

// y[row][place][b] (+)= the sum over axes of two, each term rounded and added in its turn, of
// W[axis][row of k][place][j] * x[row of k][place][b]; `back`: of its adjoint. The axes are bits of a
// row's number; the batch is a multiple of 16.
template <class T>
struct PairsTask {
  const T* w[kPairAxes];
  std::int64_t step[kPairAxes];
  int axes;
  const T* x;
  T* y;
  std::int64_t rows, places, batch, row, w_row;
  bool back, add;
};

// d[axis][row of k][place][j] = sum over b of u[row of k][place][b] * v[row of j][place][b].
template <class T>
struct PairsDotsTask {
  const std::int64_t* step;
  int axes;
  const T *u, *v;
  T* d;
  std::int64_t rows, places, batch, row, d_axis, d_row;
};

// y[line][j][b][c] (+)= sum over k in the band of a[line][c][j][k] * x[line][k][b][c].
template <class T>
struct ChannelTask {
  const T *a, *x;
  T* y;
  std::int64_t lines, outputs, batch, channels;
  std::int64_t a_line, x_line, y_line;
  std::int64_t a_channel, a_out, a_in;
  std::int64_t x_in, y_out;
  Band band;
  bool add;
};

// d[line][c][k][j] += sum over b of u[line][k][b][c] * v[line][j][b][c]
// for every k in the band of j.
template <class T>
struct ChannelDotsTask {
  const T *u, *v;
  T* d;
  std::int64_t lines, outputs, batch, channels;
  std::int64_t u_line, v_line, d_line;
  std::int64_t u_in, v_out;
  std::int64_t d_channel, d_in, d_out;
  Band band;
};

// ---- channel maps where most weights are 0, see dense_open.h ----

// The weights of one output that are not 0, by rising input.
template <class T>
struct OpenList {
  T* values;
  std::int32_t* inputs;
  std::int64_t count;
};

// Of all outputs: those of output o are starts[o] … starts[o + 1] - 1.
template <class T>
struct OpenLists {
  T* values;
  std::int32_t* inputs;
  std::int32_t* starts;
  [[gnu::always_inline]] OpenList<T> of(std::int64_t o) const {
    return {values + starts[o], inputs + starts[o], starts[o + 1] - starts[o]};
  }
};

constexpr std::int64_t kOpenTile = 1 << 15;  // elements of a tile: at most so many inputs

// y[row][o] (+)= sum over the list of o of value * x[row][input].
template <class T>
struct OpenChannelsTask {
  OpenLists<T> lists;
  const T* x;
  T* y;
  std::int64_t rows, in, out;
  bool add;
};

// The values of the lists of outputs first … last - 1 += sum over rows of u[row][input] * v[row][o].
template <class T>
struct OpenChannelsDotsTask {
  OpenLists<T> lists;
  const T *u, *v;
  std::int64_t rows, in, out, first, last;
};

template <class T>
struct DenseKernels {
  void (*rows)(const RowsTask<T>& task);
  void (*dots)(const DotsTask<T>& task);
  void (*pairs)(const PairsTask<T>& task);
  void (*pairs_dots)(const PairsDotsTask<T>& task);
  void (*channel_rows)(const ChannelTask<T>& task);
  void (*channel_dots)(const ChannelDotsTask<T>& task);
  void (*open_channels)(const OpenChannelsTask<T>& task);
  void (*open_channels_dots)(const OpenChannelsDotsTask<T>& task);
};

// Of the widest instruction set this machine has.
template <class T>
const DenseKernels<T>& dense_kernels();

}  // namespace ortho
