#include "tensor/cpu/dense_shared.h"

#include <omp.h>

#include <algorithm>

#include "tensor/box.h"

namespace ortho {
namespace {

constexpr std::int64_t kChunkBytes = 256 << 10;  // of all rows of a chunk together: fits L2
constexpr std::int64_t kRunStep = 64;            // a multiple of every vector width
constexpr std::int64_t kTile = 4;                // weights that one thread takes together

// d += the task's sums, chunk by chunk of segments and runs.
// `rows`: how many rows of u and v it reads.
template <class T>
void dots_in_chunks(const DotsTask<T>& task, std::int64_t rows) {
  const std::int64_t budget = kChunkBytes / (static_cast<std::int64_t>(sizeof(T)) * rows);
  const std::int64_t runs = std::max(kRunStep, budget / kRunStep * kRunStep);
  const std::int64_t segments = std::max<std::int64_t>(1, budget / std::min(task.run, runs));
  for (std::int64_t s = 0; s < task.segments; s += segments)
    for (std::int64_t r = 0; r < task.run; r += runs) {
      DotsTask<T> chunk = task;
      chunk.segments = std::min(segments, task.segments - s);
      chunk.run = std::min(runs, task.run - r);
      chunk.u += s * task.u_segment + r;
      chunk.v += s * task.v_segment + r;
      dense_kernels<T>().dots(chunk);
    }
}

// Each thread takes a range of inputs k in [0, inputs); outputs are not cut.
template <class T>
void split_inputs(const DotsTask<T>& task, std::int64_t inputs) {
  const std::int64_t tiles = (inputs + kTile - 1) / kTile;
#pragma omp parallel if (tiles > 1)
  {
    const Range mine = split(tiles, omp_get_num_threads(), omp_get_thread_num());
    DotsTask<T> part = task;
    part.band.first = mine.lo * kTile;
    part.band.last = std::min(inputs, mine.hi * kTile);
    if (part.band.first < part.band.last) dots_in_chunks(part, inputs + task.outputs);
  }
}

template <class T>
DotsTask<T> line_task(const DenseGeometry& g, const T* x, const T* dy, T* dw, const Taps& taps) {
  return {x, dy,    dw,         1,     g.out.rows,  g.outer,   g.run,      0,         0,
          0, g.row, g.in.outer, g.row, g.out.outer, taps.a_in, taps.a_out, taps.band, true};
}

// Weights by position: the inputs k <= j of the own line, then k > j of the line before.
template <class T>
void by_position_dw(const DenseGeometry& g, const T* x, const T* dy, T* dw) {
  const std::int64_t s = g.in.rows, step = g.w_row + 1;
  const Band own{-g.reach, 1, g.self ? 1 : 0, 1, 0, s};
  split_inputs(line_task(g, x, dy, dw, {own, step, -1}), s);
  const Band reached{s - g.reach, 1, s, 0, 0, s};
  DotsTask<T> before = line_task(g, x, dy + s * g.row, dw + s, {reached, step, -1});
  before.segments = g.outer - 1;
  split_inputs(before, s);
}

// Weights by offset: dw[d] sums x[q - d] * dy[q] over all q >= d of the outer line q = 0 … Q - 1.
// The few q before the largest d of a tile go one by one.
template <class T>
void by_offset_dw(const DenseGeometry& g, const T* x, const T* dy, T* dw) {
  const std::int64_t rows = g.outer * g.in.rows;
  const auto offsets = [&](std::int64_t d, std::int64_t count, std::int64_t from, std::int64_t to) {
    const DotsTask<T> task{x + (from - d) * g.row,
                           dy + from * g.row,
                           dw + d,
                           1,
                           1,
                           to - from,
                           g.run,
                           0,
                           0,
                           0,
                           -g.row,
                           g.row,
                           0,
                           g.row,
                           1,
                           0,
                           {0, 0, count, 0, 0, count},
                           true};
    dots_in_chunks(task, count + 1);
  };
  const std::int64_t start = g.self ? 0 : 1;
  const std::int64_t tiles = (g.columns - start + kTile - 1) / kTile;
#pragma omp parallel for schedule(static) if (tiles > 1)
  for (std::int64_t tile = 0; tile < tiles; ++tile) {
    const std::int64_t first = start + tile * kTile, count = std::min(kTile, g.columns - first);
    const std::int64_t last = first + count - 1;
    for (std::int64_t d = first; d < last; ++d) offsets(d, 1, d, last);
    offsets(first, count, last, rows);
  }
}

// One line.
template <class T>
void line_dw(const DenseGeometry& g, const T* x, const T* dy, T* dw) {
  if (g.weights == Weights::by_position) return by_position_dw(g, x, dy, dw);
  if (g.wiring == Wiring::causal) return by_offset_dw(g, x, dy, dw);
  for (const Taps& taps : forward_taps(g, 0))
    split_inputs(line_task(g, x, dy, dw, taps), g.in.rows);
}

}  // namespace

template <class T>
void shared_dense_dw(const DenseGeometry& given, const T* x, const T* dy, T* dw) {
  DenseGeometry g = given;
  if (g.wiring != Wiring::causal && g.repeats > g.outer) {  // long sums of short runs
    std::swap(g.outer, g.repeats);
    std::swap(g.in.outer, g.in.repeat);
    std::swap(g.out.outer, g.out.repeat);
  }
  // Here threads share the lines; what line_dw would share, one thread does.
#pragma omp parallel for schedule(static) if (g.lines > 1)
  for (std::int64_t line = 0; line < g.lines; ++line)
    for (std::int64_t repeat = 0; repeat < g.repeats; ++repeat)
      line_dw(g, x + line * g.in.line + repeat * g.in.repeat,
              dy + line * g.out.line + repeat * g.out.repeat, dw + line * g.w_line);
}

template void shared_dense_dw(const DenseGeometry&, const float*, const float*, float*);
template void shared_dense_dw(const DenseGeometry&, const double*, const double*, double*);

}  // namespace ortho
