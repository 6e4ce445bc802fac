// The channel map: one GEMM of all rows with channels inside, one GEMM of B columns a token with
// the batch inside.
#include "tensor/cpu/cpu_backend.h"

namespace ortho {
namespace {

constexpr auto kNo = Transpose::no;
constexpr auto kYes = Transpose::yes;

}  // namespace

template <class T>
void CpuBackend<T>::channel_map(const Nodes& nodes, std::int64_t out, const T* x, const T* w, T* y,
                                bool add) {
  const std::int64_t c = nodes.channels, b = nodes.batch;
  if (nodes.order == Order::channels_inner)
    return gemm(kNo, kNo, nodes.rows(), out, c, x, c, w, out, y, out, add);
  for (std::int64_t t = 0; t < nodes.tokens; ++t)
    gemm(kYes, kNo, out, b, c, w, out, x + t * c * b, b, y + t * out * b, b, add);
}

template <class T>
void CpuBackend<T>::channel_map_dx(const Nodes& nodes, std::int64_t out, const T* dy, const T* w,
                                   T* dx, bool add) {
  const std::int64_t c = nodes.channels, b = nodes.batch;
  if (nodes.order == Order::channels_inner)
    return gemm(kNo, kYes, nodes.rows(), c, out, dy, out, w, out, dx, c, add);
  for (std::int64_t t = 0; t < nodes.tokens; ++t)
    gemm(kNo, kNo, c, b, out, w, out, dy + t * out * b, b, dx + t * c * b, b, add);
}

template <class T>
void CpuBackend<T>::channel_map_dw(const Nodes& nodes, std::int64_t out, const T* x, const T* dy,
                                   T* dw) {
  const std::int64_t c = nodes.channels, b = nodes.batch;
  if (nodes.order == Order::channels_inner)
    return gemm(kYes, kNo, c, out, nodes.rows(), x, c, dy, out, dw, out, true);
  for (std::int64_t t = 0; t < nodes.tokens; ++t)
    gemm(kNo, kYes, c, out, b, x + t * c * b, b, dy + t * out * b, b, dw, out, true);
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace ortho
