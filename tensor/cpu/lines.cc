// gather_lines and scatter_lines: rows [(outer, inner token, b)][k * C + c] against the tensor's
// own order.
#include <algorithm>

#include "tensor/cpu/cpu_backend.h"

namespace ortho {
namespace {

// Calls act(row, node, count, node_step): a run of channels of one token and window, in a row and
// in the tensor.
template <class Act>
void for_each_piece(const Nodes& nodes, const Lines& lines, Act act) {
  const std::int64_t c = nodes.channels, b_count = nodes.batch;
  const bool inner = nodes.order == Order::channels_inner;
#pragma omp parallel for schedule(static)
  for (std::int64_t q = 0; q < lines.outer; ++q)
    for (std::int64_t k = 0; k < lines.size; ++k)
      for (std::int64_t p = 0; p < lines.stride; ++p) {
        const std::int64_t token = (q * lines.size + k) * lines.stride + p;
        for (std::int64_t b = 0; b < b_count; ++b) {
          const std::int64_t row = (((q * lines.stride + p) * b_count + b) * lines.size + k) * c;
          const std::int64_t node = inner ? (token * b_count + b) * c : token * c * b_count + b;
          act(row, node, inner ? 1 : b_count);
        }
      }
}

}  // namespace

template <class T>
void CpuBackend<T>::gather_lines(const Nodes& nodes, const Lines& lines, const T* x, T* rows) {
  const std::int64_t c = nodes.channels;
  for_each_piece(nodes, lines, [=](std::int64_t row, std::int64_t node, std::int64_t step) {
    for (std::int64_t i = 0; i < c; ++i) rows[row + i] = x[node + i * step];
  });
}

template <class T>
void CpuBackend<T>::scatter_lines(const Nodes& nodes, const Lines& lines, const T* rows, T* x,
                                  bool add) {
  const std::int64_t c = nodes.channels;
  for_each_piece(nodes, lines, [=](std::int64_t row, std::int64_t node, std::int64_t step) {
    for (std::int64_t i = 0; i < c; ++i)
      x[node + i * step] = rows[row + i] + (add ? x[node + i * step] : T(0));
  });
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace ortho
