// A DenseMap as the kernels see it: x[outer][repeat][line][size][run], with any strides, and so y.
//
// A line has weights of its own, a run shares them, and repeats use those of all lines again.
// W(row, column) lies at outer * w_outer + line * w_line + row * w_row + column; a row is the input
// k of a grid, the receiving output of causal wiring (there the column is the offset d). Where there
// is one line to an outer position and the wiring stays within it, the outer positions are the lines.
#pragma once

#include "tensor/cpu/dense_kernels.h"
#include "tensor/dense.h"

namespace ortho {

// One side of the map, x or y.
struct Side {
  std::int64_t rows;  // on the mapped axis
  // Elements between outer positions, between lines, between repeats; and those before all of them.
  std::int64_t outer, line, repeat = 0, at = 0;
};

struct DenseGeometry {
  std::int64_t outer, repeats, lines, run;
  std::int64_t row;  // elements between neighbours on the mapped axis, on both sides
  Side in, out;
  std::int64_t w_outer, w_line, w_row, w_at;
  std::int64_t columns;   // of W: out, or the taps of causal wiring
  bool strided_channels;  // a line is [batch][channels] and each channel has its own weights
  Wiring wiring;
  Weights weights;
  std::int64_t reach;  // the most |j - k| that is used
  bool self;           // k = j is used
};

// Groups of halves along the channel axis are one geometry for each pair of an input's and an
// output's half; all else is one.
struct Halves {
  int in = 1, out = 1;
};
Halves halves(const DenseMap& map);

// Not for the channel axis with the channels innermost and without groups: no runs.
DenseGeometry dense_geometry(const DenseMap& map, int in_half = 0, int out_half = 0);

// How outputs and inputs of one outer position meet. Coordinates count from its first row.
struct Taps {
  Band band;
  std::int64_t a_out, a_in;  // steps of W in the output and in the input
  std::int64_t a_at = 0;     // W's first element
  std::int64_t ahead = 0;    // the inputs are those of this many outer positions further on
};

// The taps of an outer position are one or two bands, whose sums are added in this order.
struct TapBands {
  Taps taps[2];
  int count;
  const Taps* begin() const { return taps; }
  const Taps* end() const { return taps + count; }
};
TapBands forward_taps(const DenseGeometry& g, std::int64_t outer);   // y from x
TapBands backward_taps(const DenseGeometry& g, std::int64_t outer);  // dx from dy

}  // namespace ortho
