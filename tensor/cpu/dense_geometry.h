// A DenseMap as the kernels see it: x[outer][size][lines][run], y[outer][out][lines][run].
//
// A line has weights of its own, a run shares them. W(row, column) lies at outer * w_outer +
// line * w_line + row * w_row + column; a row is the input k of a grid, the receiving output of
// causal wiring (there the column is the offset d). Where there is one line to an outer position
// and the wiring stays within it, the outer positions are the lines.
#pragma once

#include "tensor/cpu/dense_kernels.h"
#include "tensor/dense.h"

namespace ortho {

// One side of the map, x or y.
struct Side {
  std::int64_t rows;         // on the mapped axis
  std::int64_t outer, line;  // elements between outer positions and between lines
};

struct DenseGeometry {
  std::int64_t outer, lines, run;
  std::int64_t row;  // elements between neighbours on the mapped axis, on both sides
  Side in, out;
  std::int64_t w_outer, w_line, w_row;
  std::int64_t columns;   // of W: out, or the taps of causal wiring
  bool strided_channels;  // a line is [batch][channels] and each channel has its own weights
  Wiring wiring;
  Weights weights;
};

// Not for the channel axis with the channels innermost, whose nodes do not lie in runs.
DenseGeometry dense_geometry(const DenseMap& map);

// How outputs and inputs of one outer position meet. Coordinates count from its first row.
struct Taps {
  Band band;
  std::int64_t a_out, a_in;  // steps of W in the output and in the input
  std::int64_t a_at = 0;     // W's first element
  std::int64_t ahead = 0;    // the inputs are those of this many outer positions further on
};

Taps forward_taps(const DenseGeometry& g, std::int64_t outer);   // y from x
Taps backward_taps(const DenseGeometry& g, std::int64_t outer);  // dx from dy
// What backward_taps leaves out: weights by position of a token's receivers in the next line.
bool reaches_next_line(const DenseGeometry& g, std::int64_t outer);
Taps next_line_taps(const DenseGeometry& g);

}  // namespace ortho
