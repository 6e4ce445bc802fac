// The channel map of a sparse weight, its channels innermost: lists of the open weights, made anew
// for each call, then tiles of rows. Else, and above the break-even, the dense map.
#include <omp.h>

#include <algorithm>

#include "tensor/box.h"
#include "tensor/cpu/break_even.h"
#include "tensor/cpu/cpu_backend.h"
#include "tensor/cpu/dense_kernels.h"

namespace ortho {
namespace {

constexpr std::int64_t kPieceRows = 64;  // of a thread at a time: a tile

template <class T>
bool skips(const Nodes& nodes, const OpenRoom<T>& room, double below, std::int64_t inputs) {
  return nodes.order == Order::channels_inner && room.values != nullptr && room.density < below &&
         inputs <= kOpenTile;
}

// Of w[k * w_in + o * w_out], for `outputs` outputs with `inputs` inputs each.
template <class T>
OpenLists<T> list_weights(const OpenRoom<T>& room, std::int64_t outputs, std::int64_t inputs,
                          const T* w, std::int64_t w_out, std::int64_t w_in) {
  const OpenLists<T> lists{room.values, room.inputs + outputs + 1, room.inputs};
  std::int32_t count = 0;
  for (std::int64_t o = 0; o < outputs; ++o) {
    lists.starts[o] = count;
    for (std::int64_t k = 0; k < inputs; ++k) {
      const T value = w[o * w_out + k * w_in];
      lists.values[count] = value;
      lists.inputs[count] = static_cast<std::int32_t>(k);
      count += value != 0 ? 1 : 0;
    }
  }
  lists.starts[outputs] = count;
  return lists;
}

template <class T>
void map_rows(const OpenLists<T>& lists, std::int64_t rows, std::int64_t in, std::int64_t out,
              const T* x, T* y, bool add) {
#pragma omp parallel for schedule(static) if (rows > kPieceRows)
  for (std::int64_t row = 0; row < rows; row += kPieceRows)
    dense_kernels<T>().open_channels(
        {lists, x + row * in, y + row * out, std::min(kPieceRows, rows - row), in, out, add});
}

}  // namespace

template <class T>
void CpuBackend<T>::open_channel_map(const Nodes& nodes, std::int64_t out, const OpenRoom<T>& room,
                                     const T* x, const T* w, T* y, bool add) {
  if (!skips(nodes, room, kOpenChannels, nodes.channels))
    return channel_map(nodes, out, x, w, y, add);
  map_rows(list_weights(room, out, nodes.channels, w, std::int64_t{1}, out), nodes.rows(),
           nodes.channels, out, x, y, add);
}

template <class T>
void CpuBackend<T>::open_channel_map_dx(const Nodes& nodes, std::int64_t out,
                                        const OpenRoom<T>& room, const T* dy, const T* w, T* dx,
                                        bool add) {
  if (!skips(nodes, room, kOpenChannels, out)) return channel_map_dx(nodes, out, dy, w, dx, add);
  map_rows(list_weights(room, nodes.channels, out, w, out, std::int64_t{1}), nodes.rows(), out,
           nodes.channels, dy, dx, add);
}

template <class T>
void CpuBackend<T>::open_channel_map_dw(const Nodes& nodes, std::int64_t out,
                                        const OpenRoom<T>& room, const T* x, const T* dy,
                                        const T* w, T* dw) {
  if (!skips(nodes, room, kOpenChannelsDw, nodes.channels))
    return channel_map_dw(nodes, out, x, dy, dw);
  const OpenLists<T> lists = list_weights(room, out, nodes.channels, w, std::int64_t{1}, out);
  std::fill_n(lists.values, lists.starts[out], T(0));
#pragma omp parallel
  {
    const Range mine = split(out, omp_get_num_threads(), omp_get_thread_num());
    dense_kernels<T>().open_channels_dots(
        {lists, x, dy, nodes.rows(), nodes.channels, out, mine.lo, mine.hi});
    for (std::int64_t o = mine.lo; o < mine.hi; ++o) {
      const OpenList<T> list = lists.of(o);
      for (std::int64_t e = 0; e < list.count; ++e) dw[list.inputs[e] * out + o] += list.values[e];
    }
  }
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace ortho
