// Dropout with counter-based draws: forward and backward multiply by the same mask without keeping
// it.
#include "tensor/cpu/cpu_backend.h"

namespace ortho {

template <class T>
void CpuBackend<T>::dropout(const Nodes& nodes, double p, const Random& random,
                            std::int64_t first_window, T* x) {
  if (p == 0) return;
  const std::int64_t c = nodes.channels, b_count = nodes.batch;
  const T scale = static_cast<T>(1.0 / (1.0 - p));
  // Four nodes share one 64-bit draw, 16 bits each: p is honoured to 2^-16.
  const auto limit = static_cast<std::uint32_t>(p * 65536.0);
  const std::int64_t groups = (c + 3) / 4;
  const bool inner = nodes.order == Order::channels_inner;
#pragma omp parallel for schedule(static)
  for (std::int64_t t = 0; t < nodes.tokens; ++t)
    for (std::int64_t b = 0; b < b_count; ++b) {
      T* node = x + (inner ? (t * b_count + b) * c : t * c * b_count + b);
      const std::int64_t step = inner ? 1 : b_count;
      const std::int64_t first = ((first_window + b) * nodes.tokens + t) * groups;
      for (std::int64_t g = 0; g < groups; ++g) {
        std::uint64_t draw = random.bits(static_cast<std::uint64_t>(first + g));
        for (std::int64_t i = 4 * g; i < c && i < 4 * g + 4; ++i, draw >>= 16)
          node[i * step] *= (draw & 0xffff) < limit ? T(0) : scale;
      }
    }
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace ortho
