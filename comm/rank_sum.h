// The one order of every sum over ranks: ((part 0 + part 1) + part 2) + …, element by element.
//
// All kinds of channel call this, so their sums are equal bit for bit, however the work was cut.
#pragma once

#include <cstddef>
#include <span>

namespace ortho {

// total[i] = sum over parts of parts[p][i]. `total` must
// not overlap any part; there is at least one part.
template <class T>
void sum_in_rank_order(std::span<const T* const> parts, std::span<T> total) {
  for (size_t i = 0; i < total.size(); ++i) total[i] = parts[0][i];
  for (const T* part : parts.subspan(1)) {
    for (size_t i = 0; i < total.size(); ++i) total[i] += part[i];
  }
}

}  // namespace ortho
