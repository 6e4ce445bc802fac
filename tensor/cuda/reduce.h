// Sums over threads, in an order that the shape alone decides.
//
// Lanes of a warp add in a butterfly, so all have the sum; the warps of a block add in their order.
#pragma once

#include <launch.h>

#include <cstdint>

#include "tensor/cuda/cuda_device.h"
#include "tensor/cuda/for_each.h"

namespace ortho {

constexpr unsigned kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

template <class T>
__device__ T warp_sum(T value) {
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(kAllLanes, value, step);
  return value;
}

template <class T>
__device__ T warp_max(T value) {
  for (int step = 16; step > 0; step /= 2) {
    const T other = __shfl_xor_sync(kAllLanes, value, step);
    value = other > value ? other : value;
  }
  return value;
}

// Of all threads of a one-dimensional block; every thread gets it. `room`: one T a warp.
template <class T>
__device__ T block_sum(T value, T* room) {
  const unsigned warp = threadIdx.x / kWarp;
  const T part = warp_sum(value);
  __syncthreads();  // the room may still be read from the call before
  if (threadIdx.x % kWarp == 0) room[warp] = part;
  __syncthreads();
  T sum = 0;
  for (unsigned w = 0; w < blockDim.x / kWarp; ++w) sum += room[w];
  return sum;
}

constexpr unsigned kSumThreads = 256;
constexpr std::uint32_t kSumRun = 8192;  // elements of a block

// part[block] = the sum of value(i) over the block's run.
template <class Value>
__global__ void __launch_bounds__(kSumThreads)
    sum_runs_kernel(std::uint32_t count, Value value, double* part) {
  const std::uint32_t first = blockIdx.x * kSumRun;
  const std::uint32_t end = count - first < kSumRun ? count : first + kSumRun;
  double sum = 0;
  for (std::uint32_t i = first + threadIdx.x; i < end; i += kSumThreads) sum += value(i);
  sum = block_sum(sum, shared_memory<double>());
  if (threadIdx.x == 0) part[blockIdx.x] = sum;
}

struct PartValue {
  const double* part;
  __device__ double operator()(std::uint32_t i) const { return part[i]; }
};

// The sum of value(i), i < count, in double, on the host: runs of fixed length, then their sums.
template <class Value>
double sum_of(CudaDevice& device, std::int64_t count, const Value& value) {
  if (count == 0) return 0;
  const std::size_t room = kSumThreads / kWarp * sizeof(double);
  std::uint32_t n = index32(count), runs = (n + kSumRun - 1) / kSumRun;
  double* part = device.scratch<double>(runs);
  launch(sum_runs_kernel<Value>, {{runs}, {kSumThreads}, room}, device.stream(), n, value, part);
  while (runs > 1) {
    n = runs;
    runs = (n + kSumRun - 1) / kSumRun;
    double* const next = device.scratch<double>(runs);
    launch(sum_runs_kernel<PartValue>, {{runs}, {kSumThreads}, room}, device.stream(), n,
           PartValue{part}, next);
    part = next;
  }
  double sum = 0;
  device.download(part, &sum, sizeof sum);
  return sum;
}

}  // namespace ortho
