// Sums over all rows of a tensor, one a channel: gradients of biases and gains.
//
// Blocks sum runs of kChannelRun rows, then one thread a channel adds the runs in their order. A
// block is 32 x 8 threads: channels by rows where the channels lie inside, rows by channels where
// the windows do, so that a warp always reads side by side.
#pragma once

#include <launch.h>

#include "tensor/cuda/for_each.h"
#include "tensor/cuda/reduce.h"
#include "tensor/cuda/rows.h"

namespace ortho {

constexpr std::uint32_t kChannelRun = 1024;  // rows
constexpr unsigned kRowThreads = 8;

// part[run][channel] = sum of value(element, row, channel).
template <class T, class Value>
__global__ void __launch_bounds__(kWarp* kRowThreads)
    channel_runs_kernel(RowPlaces places, std::uint32_t rows, Value value, T* part) {
  const bool inner = places.inner();
  const std::uint32_t c =
      inner ? blockIdx.x * kWarp + threadIdx.x : blockIdx.x * kRowThreads + threadIdx.y;
  const std::uint32_t first = blockIdx.y * kChannelRun;
  const std::uint32_t end = rows - first < kChannelRun ? rows : first + kChannelRun;
  const bool exists = c < places.channels();
  T sum = 0;
  if (exists)
    for (std::uint32_t r = first + (inner ? threadIdx.y : threadIdx.x); r < end;
         r += inner ? kRowThreads : kWarp)
      sum += value(places.first(r) + c * places.step(), r, c);
  if (inner) {
    T* const room = shared_memory<T>();  // [kRowThreads][kWarp]
    room[threadIdx.y * kWarp + threadIdx.x] = sum;
    __syncthreads();
    sum = 0;
    for (unsigned y = 0; y < kRowThreads; ++y) sum += room[y * kWarp + threadIdx.x];
  } else {
    sum = warp_sum(sum);
  }
  if (exists && (inner ? threadIdx.y : threadIdx.x) == 0)
    part[std::int64_t{blockIdx.y} * places.channels() + c] = sum;
}

// to[i] += the sum of part[run][i] over the runs.
template <class T>
struct AddRuns {
  std::uint32_t runs, count;
  const T* part;
  T* to;
  __device__ void operator()(std::uint32_t i) const {
    T sum = 0;
    for (std::uint32_t r = 0; r < runs; ++r) sum += part[std::int64_t{r} * count + i];
    to[i] += sum;
  }
};

// to[channel] += sum over rows of value(element, row, channel).
template <class T, class Value>
void add_channel_sums(CudaDevice& device, const Nodes& nodes, const Value& value, T* to) {
  if (nodes.elements() == 0) return;
  device.begin_operation();
  const RowPlaces places(nodes);
  const std::uint32_t rows = index32(nodes.rows()), runs = (rows + kChannelRun - 1) / kChannelRun;
  const unsigned wide = places.inner() ? kWarp : kRowThreads;
  T* const part = device.scratch<T>(std::int64_t{runs} * places.channels());
  launch(channel_runs_kernel<T, Value>,
         {{(places.channels() + wide - 1) / wide, runs},
          {kWarp, kRowThreads},
          kWarp * kRowThreads * sizeof(T)},
         device.stream(), places, rows, value, part);
  for_each(device, nodes.channels, AddRuns<T>{runs, places.channels(), part, to});
}

}  // namespace ortho
