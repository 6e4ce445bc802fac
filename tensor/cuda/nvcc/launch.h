// How kernels are launched and what they may use, compiled by nvcc for a GPU.
//
// tests/support/cudasim/launch.h is its twin: the same names for g++ and a simulated device. CMake
// picks the folder; sources say #include <launch.h>. Kernels use threadIdx, blockIdx, blockDim,
// gridDim, shared_memory, __syncthreads, __syncwarp and __shfl_*_sync, nothing else of the device.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

#include "tensor/cuda/check.h"

namespace ortho {

struct Grid {
  dim3 grid, block;
  std::size_t shared_bytes = 0;  // dynamic shared memory of a block
};

// Begins `kernel` on `stream`; Error if the launch is not legal.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), const Grid& grid, cudaStream_t stream,
            Arguments... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid.grid;
  config.blockDim = grid.block;
  config.dynamicSmemBytes = grid.shared_bytes;
  config.stream = stream;
  check_cuda(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...));
}

// The block's dynamic shared memory, 16-byte aligned. A kernel with several arrays in it cuts it.
template <class T>
__device__ T* shared_memory() {
  extern __shared__ __align__(16) unsigned char ortho_shared_bytes[];
  return reinterpret_cast<T*>(ortho_shared_bytes);
}

}  // namespace ortho
