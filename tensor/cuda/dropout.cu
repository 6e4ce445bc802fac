// Dropout with the draws of tensor/drop_draw.h. A row's key costs more than its channels do, so a
// thread draws one key for up to kEach channels; its neighbours' lie beside them in memory.
#include <vector>

#include "core/error.h"
#include "tensor/cuda/cuda_backend.h"
#include "tensor/cuda/for_each.h"
#include "tensor/cuda/rows.h"
#include "tensor/drop_draw.h"

namespace ortho {
namespace {

constexpr std::uint32_t kEach = 16;
constexpr std::uint32_t kSide = 32;  // threads side by side along the channels, if they lie inside

template <class T>
struct DropChannels {
  RowPlaces places;
  Divisor side, pieces, windows;   // windows of the rank
  const std::int64_t* batch_rows;  // of each token's first window, in the whole batch
  std::int64_t batch_windows, batch_tokens, first_window;
  std::uint32_t first_channel;
  Random random;
  std::uint32_t limit;
  T scale;
  T* x;

  // With the channels inside: (row, piece, side); else (token, piece, window).
  __device__ void operator()(std::uint32_t i) const {
    const std::uint32_t outside = side.quotient(i), within = i - outside * side.by();
    const std::uint32_t high = pieces.quotient(outside), piece = outside - high * pieces.by();
    const bool inner = places.inner();
    const std::uint32_t row = inner ? high : high * windows.by() + within;
    const std::uint32_t apart = inner ? kSide : 1;
    const std::uint32_t start = piece * kEach * apart + (inner ? within : 0);
    const std::uint32_t token = windows.quotient(row), b = row - token * windows.by();
    const std::int64_t there = batch_rows[token];
    const std::int64_t window = first_window + there % batch_windows + b;
    const std::uint64_t key =
        random.bits(static_cast<std::uint64_t>(window * batch_tokens + there / batch_windows));
    const auto low = static_cast<std::uint32_t>(key), top = static_cast<std::uint32_t>(key >> 32);
    T* const at = x + places.first(row);
    for (std::uint32_t n = 0; n < kEach; ++n) {
      const std::uint32_t c = start + n * apart;
      if (c >= places.channels()) return;
      T& value = at[c * places.step()];
      value *= drop_draw(low, top, first_channel + c) < limit ? T(0) : scale;
    }
  }
};

}  // namespace

template <class T>
void CudaBackend<T>::dropout(const Nodes& nodes, const HeldRows& rows, const Drop& drop, T* x) {
  if (drop.p == 0 || nodes.elements() == 0) return;
  ASSERT(rows.count() == nodes.rows(), "dropout of ", nodes.rows(), " rows at ", box_text(rows.box),
         " of the batch");
  device_.begin_operation();
  std::vector<std::int64_t> first(static_cast<size_t>(nodes.tokens));
  for (std::int64_t t = 0; t < nodes.tokens; ++t)
    first[static_cast<size_t>(t)] = rows.row(t * nodes.batch);
  const bool inner = nodes.order == Order::channels_inner;
  const std::int64_t side = inner ? std::int64_t{kSide} : nodes.batch;
  const std::int64_t share = inner ? kEach * kSide : kEach;
  const std::int64_t pieces = (nodes.channels + share - 1) / share;
  const DropChannels<T> body = {RowPlaces(nodes),
                                Divisor(side),
                                Divisor(pieces),
                                Divisor(nodes.batch),
                                device_.send(std::span<const std::int64_t>(first)),
                                rows.windows(),
                                elements(rows.batch) / rows.windows(),
                                drop.first_window,
                                static_cast<std::uint32_t>(drop.first_channel),
                                drop.random,
                                static_cast<std::uint32_t>(drop.p * 0x1p32),
                                static_cast<T>(1.0 / (1.0 - drop.p)),
                                x};
  for_each(device_, (inner ? nodes.rows() : nodes.tokens) * pieces * side, body);
}

template class CudaBackend<float>;

}  // namespace ortho
