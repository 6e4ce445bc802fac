// Copy, add and zero whole tensors.
#include <algorithm>
#include <cstring>

#include "tensor/cpu/cpu_backend.h"

namespace ortho {
namespace {

template <class T>
ORTHO_CLONES void add_run(std::int64_t count, const T* __restrict x, T* __restrict y) {
  for (std::int64_t i = 0; i < count; ++i) y[i] += x[i];
}

}  // namespace

template <class T>
void CpuBackend<T>::copy(std::int64_t count, const T* from, T* to) {
  std::memcpy(to, from, static_cast<size_t>(count) * sizeof(T));
}

template <class T>
void CpuBackend<T>::add(std::int64_t count, const T* x, T* y) {
  constexpr std::int64_t kRun = 1 << 14;
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < count; i += kRun) add_run(std::min(kRun, count - i), x + i, y + i);
}

template <class T>
void CpuBackend<T>::zero(std::int64_t count, T* x) {
  std::memset(static_cast<void*>(x), 0, static_cast<size_t>(count) * sizeof(T));
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace ortho
