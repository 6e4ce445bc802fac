// Copy, add and zero whole tensors.
#include "tensor/cuda/cuda_backend.h"
#include "tensor/cuda/for_each.h"

namespace ortho {
namespace {

template <class T>
struct AddTo {
  const T* x;
  T* y;
  __device__ void operator()(std::uint32_t i) const { y[i] += x[i]; }
};

}  // namespace

template <class T>
void CudaBackend<T>::copy(std::int64_t count, const T* from, T* to) {
  if (count == 0) return;
  check_cuda(cudaMemcpyAsync(to, from, static_cast<size_t>(count) * sizeof(T),
                             cudaMemcpyDeviceToDevice, device_.stream()));
}

template <class T>
void CudaBackend<T>::add(std::int64_t count, const T* x, T* y) {
  for_each(device_, count, AddTo<T>{x, y});
}

template <class T>
void CudaBackend<T>::zero(std::int64_t count, T* x) {
  if (count == 0) return;
  check_cuda(cudaMemsetAsync(x, 0, static_cast<size_t>(count) * sizeof(T), device_.stream()));
}

template class CudaBackend<float>;

}  // namespace ortho
