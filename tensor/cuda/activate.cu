// f between the map and the way out: gate, activation, partial activation, in both orders. One
// thread makes one element of q, or the gradients of what it came from.
#include "tensor/cuda/cuda_backend.h"
#include "tensor/cuda/for_each.h"

namespace ortho {
namespace {

// A row is a token and window with the channels inside, a token with the batch inside: `hidden`
// elements of q, of which the activation works on `active`; sort2 pairs those `half` apart.
struct Geometry {
  Geometry(const Gate& gate, const Nodes& nodes) : kind(gate.activation), gated(gate.gate) {
    const std::int64_t run = nodes.order == Order::channels_inner ? 1 : nodes.batch;
    hidden = Divisor(nodes.channels * run);
    active = index32(gate.active * run);
  }
  Activation kind;
  bool gated;
  Divisor hidden;
  std::uint32_t active = 0;

  struct Place {
    std::uint32_t at;      // within the row
    std::int64_t u, v;     // elements of z; without a gate there is no u
    std::int64_t partner;  // of sort2: from v to the one it is sorted with
    bool first;            // of the two
  };
  ORTHO_HD Place of(std::uint32_t i) const {
    const std::uint32_t row = hidden.quotient(i), e = hidden.by(), at = i - row * e;
    const std::int64_t u = std::int64_t{row} * (gated ? 2 * e : e) + at;
    const std::int64_t half = e / 2;
    return {at, u, gated ? u + e : u, at < half ? half : -half, at < half};
  }
};

template <class T>
struct Activate {
  Geometry geometry;
  const T* z;
  T* q;
  __device__ void operator()(std::uint32_t i) const {
    const auto place = geometry.of(i);
    T value = z[place.v];
    if (geometry.kind == Activation::sort2) {
      const T other = z[place.v + place.partner];
      value = (other < value) == place.first ? other : value;
    } else if (place.at < geometry.active) {
      value = activate(geometry.kind, value);
    }
    q[i] = geometry.gated ? z[place.u] * value : value;
  }
};

template <class T>
struct ActivateDz {
  Geometry geometry;
  const T *z, *dq;
  T* dz;
  __device__ void operator()(std::uint32_t i) const {
    const auto place = geometry.of(i);
    const T v = z[place.v], d = dq[i], u = geometry.gated ? z[place.u] : T(1);
    T value = v, gradient = d * u;
    if (geometry.kind == Activation::sort2) {
      const T other = z[place.v + place.partner];
      // The halves changed places: v's value and its gradient stand at the partner.
      if (place.first ? other < v : v < other) {
        value = other;
        const std::int64_t at = std::int64_t{i} + place.partner;
        gradient = dq[at] * (geometry.gated ? z[place.u + place.partner] : T(1));
      }
    } else if (place.at < geometry.active) {
      value = activate(geometry.kind, v);
      gradient *= activate_slope(geometry.kind, v);
    }
    if (geometry.gated) dz[place.u] = d * value;
    dz[place.v] = gradient;
  }
};

}  // namespace

template <class T>
void CudaBackend<T>::activate(const Gate& gate, const Nodes& nodes, const T* z, T* q) {
  for_each(device_, nodes.elements(), Activate<T>{{gate, nodes}, z, q});
}

template <class T>
void CudaBackend<T>::activate_dz(const Gate& gate, const Nodes& nodes, const T* z, const T* dq,
                                 T* dz) {
  for_each(device_, nodes.elements(), ActivateDz<T>{{gate, nodes}, z, dq, dz});
}

template class CudaBackend<float>;

}  // namespace ortho
