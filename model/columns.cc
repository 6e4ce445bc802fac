#include "model/columns.h"

namespace ortho {
namespace {

constexpr auto kNo = Transpose::no;
constexpr auto kYes = Transpose::yes;

}  // namespace

template <class T>
void Columns<T>::map(const Nodes& nodes, const T* x, const T* w, T* z, bool add) const {
  if (all()) return backend.channel_map(nodes, width, x, w, z, add);
  const std::int64_t c = nodes.channels, b = nodes.batch, some = range.size();
  if (nodes.order == Order::channels_inner)
    return backend.gemm(kNo, kNo, nodes.rows(), some, c, x, c, w + range.lo, width, z + range.lo,
                        width, add);
  for (std::int64_t t = 0; t < nodes.tokens; ++t)
    backend.gemm(kYes, kNo, some, b, c, w + range.lo, width, x + t * c * b, b,
                 z + (t * width + range.lo) * b, b, add);
}

template <class T>
void Columns<T>::map_dx(const Nodes& nodes, const T* dz, const T* w, T* dx, bool add) const {
  if (all()) return backend.channel_map_dx(nodes, width, dz, w, dx, add);
  const std::int64_t c = nodes.channels, b = nodes.batch, some = range.size();
  if (nodes.order == Order::channels_inner)
    return backend.gemm(kNo, kYes, nodes.rows(), c, some, dz + range.lo, width, w + range.lo, width,
                        dx, c, add);
  for (std::int64_t t = 0; t < nodes.tokens; ++t)
    backend.gemm(kNo, kNo, c, b, some, w + range.lo, width, dz + (t * width + range.lo) * b, b,
                 dx + t * c * b, b, add);
}

template <class T>
void Columns<T>::map_dw(const Nodes& nodes, const T* x, const T* dz, T* dw) const {
  if (all()) return backend.channel_map_dw(nodes, width, x, dz, dw);
  const std::int64_t c = nodes.channels, b = nodes.batch, some = range.size();
  if (nodes.order == Order::channels_inner)
    return backend.gemm(kYes, kNo, c, some, nodes.rows(), x, c, dz + range.lo, width, dw + range.lo,
                        width, true);
  for (std::int64_t t = 0; t < nodes.tokens; ++t)
    backend.gemm(kNo, kYes, c, some, b, x + t * c * b, b, dz + (t * width + range.lo) * b, b,
                 dw + range.lo, width, true);
}

template struct Columns<float>;
template struct Columns<double>;

}  // namespace ortho
