// A bias of every channel, in both orders.
#include "tensor/cuda/channel_sums.h"
#include "tensor/cuda/cuda_backend.h"

namespace ortho {
namespace {

template <class T>
struct AddBias {
  Places places;
  const T* bias;
  T* x;
  __device__ void operator()(std::uint32_t i) const { x[i] += bias[places.of(i).channel]; }
};

template <class T>
struct Gradient {
  const T* dx;
  __device__ T operator()(std::int64_t element, std::uint32_t, std::uint32_t) const {
    return dx[element];
  }
};

}  // namespace

template <class T>
void CudaBackend<T>::add_bias(const Nodes& nodes, const T* bias, T* x) {
  for_each(device_, nodes.elements(), AddBias<T>{Places(nodes), bias, x});
}

template <class T>
void CudaBackend<T>::bias_dw(const Nodes& nodes, const T* dx, T* dbias) {
  add_channel_sums(device_, nodes, Gradient<T>{dx}, dbias);
}

template class CudaBackend<float>;

}  // namespace ortho
