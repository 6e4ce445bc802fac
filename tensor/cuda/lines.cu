// gather_lines and scatter_lines: rows [(outer, inner token, b)][k * C + c] against the tensor's
// own order. A thread moves one number; neighbours lie side by side in the tensor.
#include "tensor/cuda/cuda_backend.h"
#include "tensor/cuda/for_each.h"
#include "tensor/cuda/rows.h"

namespace ortho {
namespace {

struct LinePlaces {
  LinePlaces(const Nodes& nodes, const Lines& lines)
      : places(nodes),
        batch(nodes.batch),
        stride(lines.stride),
        size(lines.size),
        channels(nodes.channels) {}
  Places places;
  Divisor batch, stride, size;
  std::int64_t channels;

  // Where element i of the tensor lies in the rows.
  ORTHO_HD std::int64_t in_rows(std::uint32_t i) const {
    const auto [row, channel] = places.of(i);
    const std::uint32_t token = batch.quotient(row), b = row - token * batch.by();
    const std::uint32_t above = stride.quotient(token), p = token - above * stride.by();
    const std::uint32_t q = size.quotient(above), k = above - q * size.by();
    const std::int64_t line = (std::int64_t{q} * stride.by() + p) * batch.by() + b;
    return (line * size.by() + k) * channels + channel;
  }
};

template <class T>
struct GatherLines {
  LinePlaces places;
  const T* x;
  T* rows;
  __device__ void operator()(std::uint32_t i) const { rows[places.in_rows(i)] = x[i]; }
};

template <class T>
struct ScatterLines {
  LinePlaces places;
  const T* rows;
  T* x;
  bool add;
  __device__ void operator()(std::uint32_t i) const {
    x[i] = rows[places.in_rows(i)] + (add ? x[i] : T(0));
  }
};

}  // namespace

template <class T>
void CudaBackend<T>::gather_lines(const Nodes& nodes, const Lines& lines, const T* x, T* rows) {
  for_each(device_, nodes.elements(), GatherLines<T>{{nodes, lines}, x, rows});
}

template <class T>
void CudaBackend<T>::scatter_lines(const Nodes& nodes, const Lines& lines, const T* rows, T* x,
                                   bool add) {
  for_each(device_, nodes.elements(), ScatterLines<T>{{nodes, lines}, rows, x, add});
}

template class CudaBackend<float>;

}  // namespace ortho
