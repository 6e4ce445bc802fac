// Dropout with counter-based draws: forward and backward
// multiply by the same mask without keeping it.
//
// Each node column (t, window) has a 64-bit key from Philox; its channels
// are hashed from that key by an integer mixer that compilers turn into
// vector code, since Philox a channel would cost as much as the GEMMs.
#include <algorithm>

#include "core/error.h"
#include "tensor/cpu/cpu_backend.h"
#include "tensor/drop_draw.h"

namespace ortho {
namespace {

template <class T>
ORTHO_CLONES void drop_row(std::int64_t first_channel, std::int64_t channels, std::uint64_t key,
                           std::uint32_t limit, T scale, T* __restrict x) {
  const auto low = static_cast<std::uint32_t>(key), high = static_cast<std::uint32_t>(key >> 32);
  for (std::int64_t c = 0; c < channels; ++c)
    x[c] *=
        drop_draw(low, high, static_cast<std::uint32_t>(first_channel + c)) < limit ? T(0) : scale;
}

constexpr std::int64_t kLanes = 64;

// One token with the batch inside: `lanes` windows at x, channels `pitch` apart.
template <class T>
ORTHO_CLONES void drop_lanes(std::int64_t first_channel, std::int64_t channels, std::int64_t pitch,
                             std::int64_t lanes, const std::uint32_t* __restrict low,
                             const std::uint32_t* __restrict high, std::uint32_t limit, T scale,
                             T* __restrict x) {
  for (std::int64_t c = 0; c < channels; ++c)
    for (std::int64_t b = 0; b < lanes; ++b)
      x[c * pitch + b] *=
          drop_draw(low[b], high[b], static_cast<std::uint32_t>(first_channel + c)) < limit ? T(0)
                                                                                            : scale;
}

// Local token t: its windows are neighbours in the batch too.
template <class T>
void drop_token(const Nodes& nodes, const HeldRows& rows, std::int64_t t, const Drop& drop,
                std::uint32_t limit, T scale, T* x) {
  const std::int64_t c = nodes.channels, b_count = nodes.batch;
  const std::int64_t tokens = elements(rows.batch) / rows.windows();
  const std::int64_t row = rows.row(t * b_count), token = row / rows.windows();
  const std::int64_t window = drop.first_window + row % rows.windows();
  const auto key = [&](std::int64_t b) {
    return drop.random.bits(static_cast<std::uint64_t>((window + b) * tokens + token));
  };
  if (nodes.order == Order::channels_inner) {
    for (std::int64_t b = 0; b < b_count; ++b)
      drop_row(drop.first_channel, c, key(b), limit, scale, x + b * c);
    return;
  }
  for (std::int64_t b0 = 0; b0 < b_count; b0 += kLanes) {
    const std::int64_t lanes = std::min(kLanes, b_count - b0);
    std::uint32_t low[kLanes], high[kLanes];
    for (std::int64_t b = 0; b < lanes; ++b) {
      const std::uint64_t k = key(b0 + b);
      low[b] = static_cast<std::uint32_t>(k);
      high[b] = static_cast<std::uint32_t>(k >> 32);
    }
    drop_lanes(drop.first_channel, c, b_count, lanes, low, high, limit, scale, x + b0);
  }
}

}  // namespace

template <class T>
void CpuBackend<T>::dropout(const Nodes& nodes, const HeldRows& rows, const Drop& drop, T* x) {
  if (drop.p == 0 || nodes.elements() == 0) return;
  ASSERT(rows.count() == nodes.rows(), "dropout of ", nodes.rows(), " rows at ", box_text(rows.box),
         " of the batch");
  const T scale = static_cast<T>(1.0 / (1.0 - drop.p));
  const auto limit = static_cast<std::uint32_t>(drop.p * 0x1p32);
#pragma omp parallel for schedule(static)
  for (std::int64_t t = 0; t < nodes.tokens; ++t)
    drop_token(nodes, rows, t, drop, limit, scale, x + t * nodes.channels * nodes.batch);
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace ortho
