// The channel map: one product of all rows with the channels inside; a product of B columns for
// each token, all of them one call, with the batch inside.
#include "tensor/cuda/cuda_backend.h"
#include "tensor/cuda/gemm.h"

namespace ortho {
namespace {

constexpr auto kNo = Transpose::no;
constexpr auto kYes = Transpose::yes;

}  // namespace

template <class T>
void CudaBackend<T>::channel_map(const Nodes& nodes, std::int64_t out, const T* x, const T* w, T* y,
                                 bool add) {
  const std::int64_t c = nodes.channels, b = nodes.batch;
  if (nodes.order == Order::channels_inner)
    return gemm(kNo, kNo, nodes.rows(), out, c, x, c, w, out, y, out, add);
  multiply(device_, kYes, kNo, {out, b, c, out, b, b, nodes.tokens, 0, c * b, out * b}, w, x, y,
           add);
}

template <class T>
void CudaBackend<T>::channel_map_dx(const Nodes& nodes, std::int64_t out, const T* dy, const T* w,
                                    T* dx, bool add) {
  const std::int64_t c = nodes.channels, b = nodes.batch;
  if (nodes.order == Order::channels_inner)
    return gemm(kNo, kYes, nodes.rows(), c, out, dy, out, w, out, dx, c, add);
  multiply(device_, kNo, kNo, {c, b, out, out, b, b, nodes.tokens, 0, out * b, c * b}, w, dy, dx,
           add);
}

// With the batch inside all tokens add to one dw: the dense map's kernel for shared weights, which
// cuts the sum into parts that do not depend on the device.
template <class T>
void CudaBackend<T>::channel_map_dw(const Nodes& nodes, std::int64_t out, const T* x, const T* dy,
                                    T* dw) {
  const std::int64_t c = nodes.channels;
  if (nodes.order == Order::channels_inner)
    return gemm(kYes, kNo, c, out, nodes.rows(), x, c, dy, out, dw, out, true);
  dense_dw({{nodes.tokens}, nodes.batch, c, nodes.order, 1, out, Weights::shared, Wiring::grid}, x,
           dy, dw);
}

template class CudaBackend<float>;

}  // namespace ortho
