// for_each: a body once for every index. Bodies are plain structs with a call operator.
//
//   struct Scale { float* x; ORTHO_HD void operator()(std::uint32_t i) const { x[i] *= 2; } };
//   for_each(device, count, Scale{x});
#pragma once

#include <launch.h>

#include <algorithm>
#include <cstdint>

#include "tensor/cuda/cuda_device.h"
#include "tensor/cuda/index.h"

namespace ortho {

constexpr unsigned kEachThreads = 256;

template <class Body>
__global__ void __launch_bounds__(kEachThreads) each_kernel(std::uint32_t count, Body body) {
  const std::uint32_t step = gridDim.x * blockDim.x;
  for (std::uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) body(i);
}

template <class Body>
void for_each(const CudaDevice& device, std::int64_t count, const Body& body) {
  if (count == 0) return;
  const std::uint32_t n = index32(count);
  // Eight blocks a multiprocessor fill it; more come in turn, which evens out what differs.
  const std::uint32_t most = static_cast<std::uint32_t>(device.processors()) * 64;
  const std::uint32_t blocks = std::min((n + kEachThreads - 1) / kEachThreads, most);
  launch(each_kernel<Body>, {{blocks}, {kEachThreads}}, device.stream(), n, body);
}

}  // namespace ortho
