#include "tensor/cpu/copy_rows.h"

#include <algorithm>

namespace ortho {
namespace {

constexpr std::int64_t kLine = 64;  // bytes
constexpr std::int64_t kAheadBytes = 4096;

template <bool kAdd, class T>
ORTHO_CLONES void copy_run(const CopyRows<T>& copy) {
  constexpr std::int64_t kStep = kLine / static_cast<std::int64_t>(sizeof(T));
  typedef T Line __attribute__((vector_size(kLine), aligned(sizeof(T))));
  const std::int64_t ahead =
      (kAheadBytes / kLine * kStep + copy.run - 1) / std::max<std::int64_t>(copy.run, 1);
  for (std::int64_t row = 0; row < copy.rows; ++row) {
    const T* const from = copy.from + row * copy.from_row;
    T* const to = copy.to + row * copy.to_row;
    const std::int64_t on = std::min(ahead, copy.rows - 1 - row);
    const T* const next = copy.far ? to + on * copy.to_row : from + on * copy.from_row;
    std::int64_t i = 0;
    for (; i + kStep <= copy.run; i += kStep) {
      __builtin_prefetch(next + i);
      const Line value = *reinterpret_cast<const Line*>(from + i);
      Line& into = *reinterpret_cast<Line*>(to + i);
      into = kAdd ? into + value : value;
    }
    if (i < copy.run) __builtin_prefetch(next + i);
    for (; i < copy.run; ++i) to[i] = kAdd ? to[i] + from[i] : from[i];
  }
}

}  // namespace

template <class T>
void copy_rows(const CopyRows<T>& copy) {
  copy.add ? copy_run<true, T>(copy) : copy_run<false, T>(copy);
}

template void copy_rows(const CopyRows<float>&);
template void copy_rows(const CopyRows<double>&);

}  // namespace ortho
