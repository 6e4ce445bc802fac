// From which density on the CPU skips closed connections: below, the open_* kernels are faster than
// the dense ones.
//
//   build/release/bench/sparse
#pragma once

namespace ortho {

constexpr double kOpenDense = 0.5;       // forward and dx of a dense map
constexpr double kOpenDenseDw = 0.5;     // dw of a separate one
constexpr double kOpenChannels = 0.5;    // forward and dx of a channel map
constexpr double kOpenChannelsDw = 0.5;  // its dw

}  // namespace ortho
