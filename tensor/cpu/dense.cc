#include "tensor/cpu/dense.h"

#include <algorithm>

#include "tensor/cpu/cpu_backend.h"
#include "tensor/cpu/dense_channels.h"
#include "tensor/cpu/dense_geometry.h"
#include "tensor/cpu/dense_shared.h"

namespace ortho {
namespace {

// Work one thread takes at a time: about 10 microseconds.
constexpr std::int64_t kPieceMacs = 1 << 18;
constexpr std::int64_t kRunStep = 64;  // a multiple of every vector width

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// A piece of a map: some lines of one outer position, or a part of the run when there is one line.
struct Piece {
  std::int64_t outer, repeat, line, lines, at, run;
};

// act(piece) for all pieces, in parallel. How a map is cut depends on its shape alone.
template <class Act>
void for_each_piece(const DenseGeometry& g, std::int64_t repeats, Pause* pause, Act act) {
  const std::int64_t macs = g.in.rows * g.out.rows;
  const std::int64_t lines = std::clamp<std::int64_t>(kPieceMacs / (macs * g.run), 1, g.lines);
  const bool whole_runs = g.weights == Weights::separate;
  const std::int64_t run =
      whole_runs ? g.run : std::min(g.run, (kPieceMacs / macs / kRunStep + 1) * kRunStep);
  const std::int64_t line_cuts = ceil_div(g.lines, lines), run_cuts = ceil_div(g.run, run);
  const std::int64_t pieces = g.outer * repeats * line_cuts * run_cuts;
#pragma omp parallel for schedule(static) if (pieces > 1)
  for (std::int64_t i = 0; i < pieces; ++i) {
    const std::int64_t at = i % run_cuts * run, line = i / run_cuts % line_cuts * lines;
    const std::int64_t place = i / run_cuts / line_cuts;
    act(Piece{place / repeats, place % repeats, line, std::min(lines, g.lines - line), at,
              std::min(run, g.run - at)});
    if (pause) (*pause)();
  }
}

// y (+)= the taps' sums over x; `from` describes x, `to` y.
template <class T>
void apply(const DenseMap& map, const DenseGeometry& g, const Piece& p, const Taps& taps,
           const Side& from, const Side& to, const T* x, const T* w, T* y, bool add) {
  const T* a = w + g.w_at + p.outer * g.w_outer + p.line * g.w_line + taps.a_at;
  x += from.at + (p.outer + taps.ahead) * from.outer + p.repeat * from.repeat + p.line * from.line +
       p.at;
  y += to.at + p.outer * to.outer + p.repeat * to.repeat + p.line * to.line + p.at;
  if (g.strided_channels) {
    dense_kernels<T>().channel_rows({a, x, y, p.lines, to.rows, map.batch, map.channels, g.w_line,
                                     from.line, to.line, g.columns, taps.a_out, taps.a_in, g.row,
                                     g.row, taps.band, add});
    return;
  }
  dense_kernels<T>().rows({a, x, y, p.lines, to.rows, p.run, g.w_line, from.line, to.line,
                           taps.a_out, taps.a_in, g.row, g.row, taps.band, add});
}

template <class T>
void separate_dw(const DenseMap& map, const DenseGeometry& g, const Piece& p, const T* x,
                 const T* dy, T* dw) {
  const T* u = x + g.in.at + p.outer * g.in.outer + p.line * g.in.line;
  const T* v = dy + g.out.at + p.outer * g.out.outer + p.line * g.out.line;
  T* d = dw + g.w_at + p.outer * g.w_outer + p.line * g.w_line;
  for (const Taps& taps : forward_taps(g, p.outer)) {
    if (g.strided_channels)
      dense_kernels<T>().channel_dots({u, v, d, p.lines, g.out.rows, map.batch, map.channels,
                                       g.in.line, g.out.line, g.w_line, g.row, g.row, g.columns,
                                       taps.a_in, taps.a_out, taps.band});
    else
      dense_kernels<T>().dots({u, v, d, p.lines, g.out.rows, g.repeats, g.run, g.in.line,
                               g.out.line, g.w_line, g.row, g.in.repeat, g.row, g.out.repeat,
                               taps.a_in, taps.a_out, taps.band, true});
  }
}

// The channel axis with the channels innermost has no runs; its map is a small product per token.
bool is_product_per_token(const DenseMap& map) {
  return map.order == Order::channels_inner && map.on_channels() && map.groups <= 1;
}

// act(geometry, whether the input's half is its first, whether the output's is) for every pair.
template <class Act>
void for_each_geometry(const DenseMap& map, Act act) {
  for (int in = 0; in < halves(map).in; ++in)
    for (int out = 0; out < halves(map).out; ++out)
      act(dense_geometry(map, in, out), in == 0, out == 0);
}

}  // namespace

template <class T>
void cpu_dense(const DenseMap& map, const T* x, const T* w, T* y, bool add, Pause* pause) {
  if (is_product_per_token(map)) return channels_dense(map, x, w, y, add);
  for_each_geometry(map, [&](const DenseGeometry& g, bool first, bool) {
    for_each_piece(g, g.repeats, pause, [&](const Piece& p) {
      bool adds = add || !first;
      for (const Taps& taps : forward_taps(g, p.outer)) {
        apply(map, g, p, taps, g.in, g.out, x, w, y, adds);
        adds = true;
      }
    });
  });
}

template <class T>
void cpu_dense_dx(const DenseMap& map, const T* dy, const T* w, T* dx, bool add, Pause* pause) {
  if (is_product_per_token(map)) return channels_dense_dx(map, dy, w, dx, add);
  for_each_geometry(map, [&](const DenseGeometry& g, bool, bool first) {
    for_each_piece(g, g.repeats, pause, [&](const Piece& p) {
      bool adds = add || !first;
      for (const Taps& taps : backward_taps(g, p.outer)) {
        apply(map, g, p, taps, g.out, g.in, dy, w, dx, adds);
        adds = true;
      }
    });
  });
}

template <class T>
void cpu_dense_dw(const DenseMap& map, const T* x, const T* dy, T* dw, Pause* pause) {
  if (is_product_per_token(map)) return channels_dense_dw(map, x, dy, dw);
  for_each_geometry(map, [&](const DenseGeometry& g, bool, bool) {
    if (map.weights != Weights::separate)
      shared_dense_dw(g, x + g.in.at, dy + g.out.at, dw + g.w_at);
    else
      for_each_piece(g, 1, pause, [&](const Piece& p) { separate_dw(map, g, p, x, dy, dw); });
  });
}

template void cpu_dense(const DenseMap&, const float*, const float*, float*, bool, Pause*);
template void cpu_dense(const DenseMap&, const double*, const double*, double*, bool, Pause*);
template void cpu_dense_dx(const DenseMap&, const float*, const float*, float*, bool, Pause*);
template void cpu_dense_dx(const DenseMap&, const double*, const double*, double*, bool, Pause*);
template void cpu_dense_dw(const DenseMap&, const float*, const float*, float*, Pause*);
template void cpu_dense_dw(const DenseMap&, const double*, const double*, double*, Pause*);

template <class T>
void CpuBackend<T>::dense(const DenseMap& map, const T* x, const T* w, T* y, bool add) {
  cpu_dense(map, x, w, y, add, &pause_);
}

template <class T>
void CpuBackend<T>::dense_dx(const DenseMap& map, const T* dy, const T* w, T* dx, bool add) {
  cpu_dense_dx(map, dy, w, dx, add, &pause_);
}

template <class T>
void CpuBackend<T>::dense_dw(const DenseMap& map, const T* x, const T* dy, T* dw) {
  cpu_dense_dw(map, x, dy, dw, &pause_);
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace ortho
