// The device language for g++: kernels run on the simulated device.
//
// The twin of tensor/cuda/nvcc/launch.h, over NVIDIA's real headers. The threads of a block switch
// at barriers and shuffles only, in an order drawn from the seed. A barrier that not all threads of
// its block reach at one place, and a shuffle that reads an absent lane are violations (control.h).
#pragma once

#include <cuda_runtime.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <string>
#include <tuple>

#include "tensor/cuda/check.h"

// g++ knows no launch bounds; the real header makes an attribute of them.
#undef __launch_bounds__
#define __launch_bounds__(...)

extern constinit thread_local uint3 threadIdx, blockIdx;
extern constinit thread_local dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;

namespace ortho {

struct Grid {
  dim3 grid, block;
  std::size_t shared_bytes = 0;
  std::source_location where = std::source_location::current();  // for messages
};

namespace sim {

// What a launch hands to the engine; `thread` is called once for each thread of the grid.
struct Kernel {
  const void* function = nullptr;
  std::string name;
  Grid grid;
  std::function<void()> thread;
};

cudaError_t enqueue(const Kernel& kernel, cudaStream_t stream);
void* shared_bytes();
void wait_for_block(std::source_location where);
// The `bits` of the thread that is `lane` in this thread's warp, once all of `mask` are here.
std::uint64_t wait_for_warp(unsigned mask, std::uint64_t bits, int lane,
                            std::source_location where);
int lane();  // of this thread in its warp

// The lane that a shuffle within groups of `width` reads: `source` if it is inside the group.
inline int source_lane(int source, int width) {
  const int first = lane() / width * width;
  return source >= first && source < first + width ? source : lane();
}

template <class T>
T shuffle(unsigned mask, T value, int source, std::source_location where) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 4 or 8 bytes");
  if constexpr (sizeof(T) == 4)
    return std::bit_cast<T>(static_cast<std::uint32_t>(
        wait_for_warp(mask, std::bit_cast<std::uint32_t>(value), source, where)));
  else
    return std::bit_cast<T>(
        wait_for_warp(mask, std::bit_cast<std::uint64_t>(value), source, where));
}

}  // namespace sim

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), const Grid& grid, cudaStream_t stream,
            Arguments... arguments) {
  const std::tuple<Parameters...> values{static_cast<Parameters>(arguments)...};
  const sim::Kernel work = {reinterpret_cast<const void*>(kernel), __PRETTY_FUNCTION__, grid,
                            [kernel, values] { std::apply(kernel, values); }};
  check_cuda(sim::enqueue(work, stream), grid.where);
}

template <class T>
T* shared_memory() {
  return static_cast<T*>(sim::shared_bytes());
}

}  // namespace ortho

inline void __syncthreads(std::source_location where = std::source_location::current()) {
  ortho::sim::wait_for_block(where);
}

inline void __syncwarp(unsigned mask = 0xffffffffU,
                       std::source_location where = std::source_location::current()) {
  ortho::sim::wait_for_warp(mask, 0, ortho::sim::lane(), where);
}

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = warpSize,
              std::source_location where = std::source_location::current()) {
  const int first = ortho::sim::lane() / width * width;
  return ortho::sim::shuffle(mask, value, first + source % width, where);
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = warpSize,
                  std::source_location where = std::source_location::current()) {
  const int source = ortho::sim::source_lane(ortho::sim::lane() ^ bits, width);
  return ortho::sim::shuffle(mask, value, source, where);
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                   std::source_location where = std::source_location::current()) {
  const int source = ortho::sim::lane() + static_cast<int>(delta);
  return ortho::sim::shuffle(mask, value, ortho::sim::source_lane(source, width), where);
}

template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                 std::source_location where = std::source_location::current()) {
  const int source = ortho::sim::lane() - static_cast<int>(delta);
  return ortho::sim::shuffle(mask, value, ortho::sim::source_lane(source, width), where);
}
