// Stands in until the dense kernels land: delete this file and define these methods in
// tensor/cpu/dense.cc.
#include "core/error.h"
#include "tensor/cpu/cpu_backend.h"

namespace ortho {

template <class T>
void CpuBackend<T>::dense(const DenseMap&, const T*, const T*, T*, bool) {
  ASSERT(false, "dense");
}
template <class T>
void CpuBackend<T>::dense_dx(const DenseMap&, const T*, const T*, T*, bool) {
  ASSERT(false, "dense");
}
template <class T>
void CpuBackend<T>::dense_dw(const DenseMap&, const T*, const T*, T*) {
  ASSERT(false, "dense");
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace ortho
