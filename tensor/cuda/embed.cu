// Table rows into the tensor, gradients back into the table, and rows packed for the heads.
//
// The gradient of a table row is the sum over the rows that took it: the host sorts them, pieces of
// fixed length are summed each by one thread a channel, then the pieces of each table row. No two
// threads add to one number, so the sums have one order.
#include <algorithm>
#include <vector>

#include "tensor/cuda/cuda_backend.h"
#include "tensor/cuda/for_each.h"
#include "tensor/cuda/rows.h"

namespace ortho {
namespace {

constexpr std::int64_t kPiece = 64;  // rows that one thread adds up

// Element i as it lies in x.
template <class T>
struct AddTableRow {
  Places places;
  const std::int32_t* rows;
  const T* table;
  T* x;
  std::int64_t channels;
  __device__ void operator()(std::uint32_t i) const {
    const auto [row, channel] = places.of(i);
    const std::int32_t from = rows[row];
    if (from >= 0) x[i] += table[from * channels + channel];
  }
};

// part[piece][channel] = sum of the rows order[starts[piece]] … order[starts[piece + 1] - 1].
template <class T>
struct SumPiece {
  RowPlaces places;
  Divisor channels;
  const std::int32_t *order, *starts;
  const T* dx;
  T* part;
  __device__ void operator()(std::uint32_t i) const {
    const std::uint32_t piece = channels.quotient(i), c = i - piece * channels.by();
    T sum = 0;
    for (std::int32_t n = starts[piece]; n < starts[piece + 1]; ++n)
      sum += dx[places.first(static_cast<std::uint32_t>(order[n])) + c * places.step()];
    part[i] = sum;
  }
};

// dtable[table_row[n]][channel] += its pieces firsts[n] … firsts[n + 1] - 1.
template <class T>
struct AddPieces {
  Divisor channels;
  const std::int32_t *table_row, *firsts;
  const T* part;
  T* dtable;
  __device__ void operator()(std::uint32_t i) const {
    const std::uint32_t n = channels.quotient(i), c = i - n * channels.by();
    T sum = 0;
    for (std::int32_t piece = firsts[n]; piece < firsts[n + 1]; ++piece)
      sum += part[std::int64_t{piece} * channels.by() + c];
    dtable[std::int64_t{table_row[n]} * channels.by() + c] += sum;
  }
};

// The rows sorted by the table row they took, cut into pieces.
struct SortedRows {
  std::vector<std::int32_t> order, starts, table_row, firsts;

  explicit SortedRows(std::span<const std::int32_t> rows) {
    for (size_t r = 0; r < rows.size(); ++r)
      if (rows[r] >= 0) order.push_back(static_cast<std::int32_t>(r));
    const auto row_of = [&](std::int32_t r) { return rows[static_cast<size_t>(r)]; };
    std::stable_sort(order.begin(), order.end(),
                     [&](std::int32_t a, std::int32_t b) { return row_of(a) < row_of(b); });
    for (size_t n = 0; n < order.size(); ++n) {
      const bool next_row = n == 0 || row_of(order[n]) != table_row.back();
      if (next_row) {
        table_row.push_back(row_of(order[n]));
        firsts.push_back(static_cast<std::int32_t>(starts.size()));
      }
      const auto at = static_cast<std::int32_t>(n);
      if (next_row || at - starts.back() == kPiece) starts.push_back(at);
    }
    firsts.push_back(static_cast<std::int32_t>(starts.size()));
    starts.push_back(static_cast<std::int32_t>(order.size()));
  }
  std::int64_t pieces() const { return static_cast<std::int64_t>(starts.size()) - 1; }
};

template <class T>
struct PackRows {
  RowPlaces places;
  Divisor channels;
  const std::int32_t* at;
  const T* x;
  T* packed;
  __device__ void operator()(std::uint32_t i) const {
    const std::uint32_t n = channels.quotient(i), c = i - n * channels.by();
    packed[i] = x[places.first(static_cast<std::uint32_t>(at[n])) + c * places.step()];
  }
};

template <class T>
struct UnpackRows {
  RowPlaces places;
  Divisor channels;
  const std::int32_t* at;
  const T* packed;
  T* x;
  __device__ void operator()(std::uint32_t i) const {
    const std::uint32_t n = channels.quotient(i), c = i - n * channels.by();
    x[places.first(static_cast<std::uint32_t>(at[n])) + c * places.step()] += packed[i];
  }
};

}  // namespace

template <class T>
void CudaBackend<T>::embed(const Nodes& nodes, std::span<const std::int32_t> rows, const T* table,
                           T* x) {
  device_.begin_operation();
  for_each(device_, nodes.elements(),
           AddTableRow<T>{Places(nodes), device_.send(rows), table, x, nodes.channels});
}

template <class T>
void CudaBackend<T>::embed_dw(const Nodes& nodes, std::span<const std::int32_t> rows, const T* dx,
                              T* dtable) {
  const SortedRows sorted(rows);
  if (sorted.order.empty()) return;
  device_.begin_operation();
  const auto send = [&](const std::vector<std::int32_t>& numbers) {
    return device_.send(std::span<const std::int32_t>(numbers));
  };
  const Divisor channels(nodes.channels);
  T* const part = device_.template scratch<T>(sorted.pieces() * nodes.channels);
  for_each(
      device_, sorted.pieces() * nodes.channels,
      SumPiece<T>{RowPlaces(nodes), channels, send(sorted.order), send(sorted.starts), dx, part});
  for_each(device_, static_cast<std::int64_t>(sorted.table_row.size()) * nodes.channels,
           AddPieces<T>{channels, send(sorted.table_row), send(sorted.firsts), part, dtable});
}

template <class T>
void CudaBackend<T>::pack_rows(const Nodes& nodes, std::span<const std::int32_t> at, const T* x,
                               T* packed) {
  device_.begin_operation();
  for_each(device_, static_cast<std::int64_t>(at.size()) * nodes.channels,
           PackRows<T>{RowPlaces(nodes), Divisor(nodes.channels), device_.send(at), x, packed});
}

template <class T>
void CudaBackend<T>::unpack_rows(const Nodes& nodes, std::span<const std::int32_t> at,
                                 const T* packed, T* x) {
  device_.begin_operation();
  for_each(device_, static_cast<std::int64_t>(at.size()) * nodes.channels,
           UnpackRows<T>{RowPlaces(nodes), Divisor(nodes.channels), device_.send(at), packed, x});
}

template class CudaBackend<float>;

}  // namespace ortho
