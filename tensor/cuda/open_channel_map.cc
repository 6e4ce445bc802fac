// The channel map of a sparse weight. A GPU multiplies by the zeros too: skipping them one by one
// costs more than the product does at any density that training keeps.
#include "tensor/cuda/cuda_backend.h"

namespace ortho {

template <class T>
void CudaBackend<T>::open_channel_map(const Nodes& nodes, std::int64_t out, const OpenRoom<T>&,
                                      const T* x, const T* w, T* y, bool add) {
  channel_map(nodes, out, x, w, y, add);
}

template <class T>
void CudaBackend<T>::open_channel_map_dx(const Nodes& nodes, std::int64_t out, const OpenRoom<T>&,
                                         const T* dy, const T* w, T* dx, bool add) {
  channel_map_dx(nodes, out, dy, w, dx, add);
}

template <class T>
void CudaBackend<T>::open_channel_map_dw(const Nodes& nodes, std::int64_t out, const OpenRoom<T>&,
                                         const T* x, const T* dy, const T*, T* dw) {
  channel_map_dw(nodes, out, x, dy, dw);
}

template class CudaBackend<float>;

}  // namespace ortho
