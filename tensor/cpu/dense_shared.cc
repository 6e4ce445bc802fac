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
          0, g.run, g.in.outer, g.run, g.out.outer, taps.a_in, taps.a_out, taps.band, true};
}

// Weights by position: the inputs k <= j of the own line, then k > j of the line before.
template <class T>
void by_position_dw(const DenseGeometry& g, const T* x, const T* dy, T* dw) {
  const std::int64_t s = g.in.rows;
  split_inputs(line_task(g, x, dy, dw, {{0, 0, 1, 1, 0, s}, s + 1, -1}), s);
  DotsTask<T> before = line_task(g, x, dy + s * g.run, dw + s, {{1, 1, s, 0, 0, s}, s + 1, -1});
  before.segments = g.outer - 1;
  split_inputs(before, s);
}

// Weights by offset: dw[d] sums x[q - d] * dy[q] over all q >= d of the outer line q = 0 … Q - 1.
// The few q before the largest d of a tile go one by one.
template <class T>
void by_offset_dw(const DenseGeometry& g, const T* x, const T* dy, T* dw) {
  const std::int64_t rows = g.outer * g.in.rows;
  const auto offsets = [&](std::int64_t d, std::int64_t count, std::int64_t from, std::int64_t to) {
    const DotsTask<T> task{x + (from - d) * g.run,
                           dy + from * g.run,
                           dw + d,
                           1,
                           1,
                           to - from,
                           g.run,
                           0,
                           0,
                           0,
                           -g.run,
                           g.run,
                           0,
                           g.run,
                           1,
                           0,
                           {0, 0, count, 0, 0, count},
                           true};
    dots_in_chunks(task, count + 1);
  };
  const std::int64_t tiles = (g.in.rows + kTile - 1) / kTile;
#pragma omp parallel for schedule(static) if (tiles > 1)
  for (std::int64_t tile = 0; tile < tiles; ++tile) {
    const std::int64_t first = tile * kTile, count = std::min(kTile, g.in.rows - first);
    const std::int64_t last = first + count - 1;
    for (std::int64_t d = first; d < last; ++d) offsets(d, 1, d, last);
    offsets(first, count, last, rows);
  }
}

}  // namespace

template <class T>
void shared_dense_dw(const DenseGeometry& g, const T* x, const T* dy, T* dw) {
  if (g.weights == Weights::by_position) return by_position_dw(g, x, dy, dw);
  if (g.wiring == Wiring::causal) return by_offset_dw(g, x, dy, dw);
  split_inputs(line_task(g, x, dy, dw, forward_taps(g, 0)), g.in.rows);
}

template void shared_dense_dw(const DenseGeometry&, const float*, const float*, float*);
template void shared_dense_dw(const DenseGeometry&, const double*, const double*, double*);

}  // namespace ortho
