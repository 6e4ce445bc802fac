// Table rows into the tensor, gradients back into the table, and rows packed for the heads.
#include "tensor/cpu/cpu_backend.h"

namespace ortho {
namespace {

// Where the channels of row r = t * B + b lie: the first one and the step between them.
struct RowPlace {
  std::int64_t first, step;
};

RowPlace place_of(const Nodes& nodes, std::int64_t row) {
  if (nodes.order == Order::channels_inner) return {row * nodes.channels, 1};
  const std::int64_t t = row / nodes.batch, b = row % nodes.batch;
  return {t * nodes.channels * nodes.batch + b, nodes.batch};
}

template <class T>
ORTHO_CLONES void add_strided(std::int64_t n, const T* x, std::int64_t x_step, T* y,
                              std::int64_t y_step) {
  if (x_step == 1 && y_step == 1)
    for (std::int64_t i = 0; i < n; ++i) y[i] += x[i];
  else
    for (std::int64_t i = 0; i < n; ++i) y[i * y_step] += x[i * x_step];
}

}  // namespace

template <class T>
void CpuBackend<T>::embed(const Nodes& nodes, std::span<const std::int32_t> rows, const T* table,
                          T* x) {
  const std::int64_t c = nodes.channels;
#pragma omp parallel for schedule(static)
  for (std::int64_t r = 0; r < nodes.rows(); ++r) {
    const std::int32_t row = rows[static_cast<size_t>(r)];
    if (row < 0) continue;
    const RowPlace at = place_of(nodes, r);
    add_strided(c, table + row * c, 1, x + at.first, at.step);
  }
}

template <class T>
void CpuBackend<T>::embed_dw(const Nodes& nodes, std::span<const std::int32_t> rows, const T* dx,
                             T* dtable) {
  const std::int64_t c = nodes.channels;
  // In row order: the sum must not depend on threads.
  for (std::int64_t r = 0; r < nodes.rows(); ++r) {
    const std::int32_t row = rows[static_cast<size_t>(r)];
    if (row < 0) continue;
    const RowPlace at = place_of(nodes, r);
    add_strided(c, dx + at.first, at.step, dtable + row * c, 1);
  }
}

template <class T>
void CpuBackend<T>::pack_rows(const Nodes& nodes, std::span<const std::int32_t> at, const T* x,
                              T* packed) {
  const std::int64_t c = nodes.channels;
#pragma omp parallel for schedule(static)
  for (std::int64_t n = 0; n < static_cast<std::int64_t>(at.size()); ++n) {
    const RowPlace place = place_of(nodes, at[static_cast<size_t>(n)]);
    for (std::int64_t i = 0; i < c; ++i) packed[n * c + i] = x[place.first + i * place.step];
  }
}

template <class T>
void CpuBackend<T>::unpack_rows(const Nodes& nodes, std::span<const std::int32_t> at,
                                const T* packed, T* x) {
  const std::int64_t c = nodes.channels;
#pragma omp parallel for schedule(static)
  for (std::int64_t n = 0; n < static_cast<std::int64_t>(at.size()); ++n) {
    const RowPlace place = place_of(nodes, at[static_cast<size_t>(n)]);
    add_strided(c, packed + n * c, 1, x + place.first, place.step);
  }
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace ortho
