#include "trainer/fixed_order.h"

#include <algorithm>

#include "core/error.h"

namespace ortho {
void check_fixed_order(std::int64_t windows, int ranks, int replicas) {
  REQUIRE(ranks == replicas, "deterministic: true needs a mesh that cuts the batch alone; here ",
          ranks, " ranks are ", replicas, " along the batch. Use mesh: {batch: ", ranks, "}.");
  REQUIRE(kLeaves % replicas == 0, "deterministic: true works on 1, 2, 4 or 8 ranks, not on ",
          replicas);
  REQUIRE(windows % kLeaves == 0, "deterministic: true needs a multiple of ", kLeaves,
          " windows a step, here are ", windows, ". The next is ",
          (windows / kLeaves + 1) * kLeaves, ".");
}

Batch windows_of(const Batch& batch, std::int64_t lo, std::int64_t hi) {
  Batch part;
  part.tokens = batch.tokens;
  part.windows = hi - lo;
  part.first_window = batch.first_window + lo;
  part.part = batch.part;
  part.window_means = batch.window_means;
  const auto rows = static_cast<std::int64_t>(batch.input.size());
  for (std::int64_t row = 0; row < rows; row += batch.windows) {
    part.input.insert(part.input.end(), batch.input.begin() + row + lo,
                      batch.input.begin() + row + hi);
    part.target.insert(part.target.end(), batch.target.begin() + row + lo,
                       batch.target.begin() + row + hi);
  }
  return part;
}

int tree_levels(int leaves) {
  int levels = 0;
  for (int width = 1; width < leaves; width *= 2) ++levels;
  return levels;
}

template <class T>
TreeSum<T>::TreeSum(std::int64_t elements, int leaves) : leaves_(leaves) {
  for (int level = 0; level < tree_levels(leaves); ++level)
    held_.emplace_back(elements, "a tree of sums");
}

template <class T>
void TreeSum<T>::add(std::span<T> values) {
  ASSERT(added_ < leaves_, "leaf ", added_ + 1, " of ", leaves_);
  size_t level = 0;
  for (; (added_ >> level & 1) != 0; ++level) {
    const std::span<const T> left = held_[level].span();
    for (size_t i = 0; i < values.size(); ++i) values[i] = left[i] + values[i];
  }
  if (++added_ < leaves_) std::copy(values.begin(), values.end(), held_[level].data());
}

template class TreeSum<float>;
template class TreeSum<double>;

}  // namespace ortho
