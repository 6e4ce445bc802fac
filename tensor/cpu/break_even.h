// Below which density the CPU's channel maps skip closed connections: where `bench/sparse` finds the
// open_* kernels faster than the products of the whole weight.
//
//   OMP_NUM_THREADS=1 build/release/bench/sparse
#pragma once

namespace ortho {

constexpr double kOpenChannels = 0.4;    // forward and dx
constexpr double kOpenChannelsDw = 0.2;  // dw: lanes must be summed at the end of each tile

}  // namespace ortho
