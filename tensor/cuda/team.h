// A team of threads for one row: a warp side by side along the channels where they lie inside, one
// thread beside those of the next windows where the batch does. Either way a warp reads side by side.
#pragma once

#include "tensor/cuda/reduce.h"

namespace ortho {

constexpr unsigned kTeamThreads = 256;  // of a block

template <int kTeam, class T>
__device__ T team_sum(T value) {
  if constexpr (kTeam == 1) return value;
  return warp_sum(value);
}

// Number of this thread's team in the grid, and of the thread in its team.
template <int kTeam>
__device__ std::uint32_t team_index() {
  return (blockIdx.x * kTeamThreads + threadIdx.x) / kTeam;
}
template <int kTeam>
__device__ std::uint32_t team_lane() {
  return threadIdx.x % kTeam;
}

template <int kTeam>
Grid team_grid(std::uint32_t teams) {
  constexpr std::uint32_t kEach = kTeamThreads / kTeam;
  return {{(teams + kEach - 1) / kEach}, {kTeamThreads}};
}

}  // namespace ortho
