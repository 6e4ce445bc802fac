// Sparsity in space: the largest activations of each row, a thread a row.
//
// Magnitudes are ordered like their bits, so the count-th largest is found bit by bit: 31 passes
// over the row in the cache, no sorting and no memory.
#include <bit>

#include "tensor/cuda/cuda_backend.h"
#include "tensor/cuda/for_each.h"
#include "tensor/cuda/rows.h"

namespace ortho {
namespace {

struct KeepLargest {
  RowPlaces places;
  std::uint32_t count;
  float* x;

  __device__ static std::uint32_t magnitude(float value) {
    return std::bit_cast<std::uint32_t>(value) & 0x7fffffffu;
  }
  __device__ void operator()(std::uint32_t row) const {
    float* const at = x + places.first(row);
    const std::int64_t step = places.step();
    std::uint32_t least = 0, above = 0;  // of those that stay; how many are larger than that
    for (std::uint32_t bit = 1u << 30; bit > 0; bit >>= 1) {
      std::uint32_t reach = 0;
      for (std::uint32_t c = 0; c < places.channels(); ++c)
        reach += magnitude(at[c * step]) >= (least | bit) ? 1 : 0;
      if (reach >= count) least |= bit;
    }
    for (std::uint32_t c = 0; c < places.channels(); ++c)
      above += magnitude(at[c * step]) > least ? 1 : 0;
    std::uint32_t equal = count - above;  // of those like the least, the first stay
    for (std::uint32_t c = 0; c < places.channels(); ++c) {
      const std::uint32_t size = magnitude(at[c * step]);
      const bool stays = size > least || (size == least && equal > 0);
      if (size == least && equal > 0) --equal;
      if (!stays) at[c * step] = 0;
    }
  }
};

}  // namespace

template <class T>
void CudaBackend<T>::keep_largest(const Nodes& nodes, std::int64_t count, T* x) {
  if (count >= nodes.channels) return;
  for_each(device_, nodes.rows(), KeepLargest{RowPlaces(nodes), index32(count), x});
}

template class CudaBackend<float>;

}  // namespace ortho
