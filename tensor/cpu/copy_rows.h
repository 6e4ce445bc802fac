// Rectangles of arrays on their way between memory and a core's cache.
#pragma once

#include <cstdint>

namespace ortho {

// to[row][i] = from[row][i] or, with `add`, +=, i < run. Fetches the rows that come next: of `from`,
// and of `to` where that lies in memory (`far`).
template <class T>
struct CopyRows {
  const T* from;
  T* to;
  std::int64_t rows, run, from_row, to_row;
  bool add = false, far = false;
};
template <class T>
void copy_rows(const CopyRows<T>& copy);

}  // namespace ortho
