// f between the map and the way out: gate, activation, partial activation, in both orders.
//
// A row is one token and window with channels inside;
// with the batch inside a "row" is a token whose channels are runs of B.
// Both are the same loop over E * run elements, u first and v behind it.
#include <algorithm>
#include <type_traits>

#include "tensor/cpu/cpu_backend.h"

namespace ortho {
namespace {

// q = u * f(v) over n elements; f is known at compile time so that the loop becomes vector code.
template <Activation kind, class T>
ORTHO_CLONES void gated(std::int64_t n, const T* __restrict u, const T* __restrict v,
                        T* __restrict q) {
  for (std::int64_t i = 0; i < n; ++i) q[i] = u[i] * activate(kind, v[i]);
}

template <Activation kind, class T>
ORTHO_CLONES void gated_dz(std::int64_t n, const T* __restrict u, const T* __restrict v,
                           const T* __restrict dq, T* __restrict du, T* __restrict dv) {
  for (std::int64_t i = 0; i < n; ++i) {
    const T d = dq[i];
    du[i] = d * activate(kind, v[i]);
    dv[i] = d * u[i] * activate_slope(kind, v[i]);
  }
}

template <Activation kind, class T>
ORTHO_CLONES void plain(std::int64_t n, const T* __restrict z, T* __restrict q) {
  for (std::int64_t i = 0; i < n; ++i) q[i] = activate(kind, z[i]);
}

template <Activation kind, class T>
ORTHO_CLONES void plain_dz(std::int64_t n, const T* __restrict z, const T* __restrict dq,
                           T* __restrict dz) {
  for (std::int64_t i = 0; i < n; ++i) dz[i] = dq[i] * activate_slope(kind, z[i]);
}

// Turns the run-time kind into a compile-time one: act(std::integral_constant<Activation, kind>{}).
template <Activation... kinds, class Act>
void dispatch(Activation kind, Act act) {
  (void)((kind == kinds && (act(std::integral_constant<Activation, kinds>{}), true)) || ...);
}

template <class Act>
void with_kind(Activation kind, Act act) {
  using enum Activation;
  dispatch<none, melu, relu, leaky_relu, abs, elu, hard_tanh, sort2, gelu, silu>(kind, act);
}

struct Rows {
  std::int64_t count, hidden, active;  // elements of E and of the active share in one row
};

Rows rows_of(const Gate& gate, const Nodes& nodes) {
  const bool inner = nodes.order == Order::channels_inner;
  const std::int64_t run = inner ? 1 : nodes.batch;
  return {inner ? nodes.rows() : nodes.tokens, nodes.channels * run, gate.active * run};
}

// sort2 (Anil et al., 2019): (a, b) of the two halves
// become (min, max).
template <class T>
ORTHO_CLONES void sort2(std::int64_t half, const T* __restrict v, T* __restrict f) {
  for (std::int64_t i = 0; i < half; ++i) {
    f[i] = std::min(v[i], v[half + i]);
    f[half + i] = std::max(v[i], v[half + i]);
  }
}

// Forward with a gate multiplies by u afterwards;
// backward routes each gradient to the half it came from.
template <class T>
ORTHO_CLONES void sort2_dz(std::int64_t half, const T* u, const T* __restrict v,
                           const T* __restrict dq, T* du, T* __restrict dv) {
  for (std::int64_t i = 0; i < half; ++i) {
    const bool swap = v[half + i] < v[i];
    const T low = swap ? v[half + i] : v[i], high = swap ? v[i] : v[half + i];
    const T dlow = u ? dq[i] * u[i] : dq[i], dhigh = u ? dq[half + i] * u[half + i] : dq[half + i];
    if (u) {
      du[i] = dq[i] * low;
      du[half + i] = dq[half + i] * high;
    }
    dv[i] = swap ? dhigh : dlow;
    dv[half + i] = swap ? dlow : dhigh;
  }
}

}  // namespace

template <class T>
void CpuBackend<T>::activate(const Gate& gate, const Nodes& nodes, const T* z, T* q) {
  const Rows rows = rows_of(gate, nodes);
  const std::int64_t e = rows.hidden, width = gate.gate ? 2 * e : e, on = rows.active;
  with_kind(gate.activation, [&](auto kind) {
#pragma omp parallel for schedule(static)
    for (std::int64_t r = 0; r < rows.count; ++r) {
      const T *u = z + r * width, *v = gate.gate ? u + e : u;
      T* out = q + r * e;
      if constexpr (kind() == Activation::sort2) {
        sort2(e / 2, v, out);
        if (gate.gate)
          for (std::int64_t i = 0; i < e; ++i) out[i] *= u[i];
      } else if (gate.gate) {
        gated<kind()>(on, u, v, out);
        gated<Activation::none>(e - on, u + on, v + on, out + on);
      } else {
        plain<kind()>(on, v, out);
        plain<Activation::none>(e - on, v + on, out + on);
      }
    }
  });
}

template <class T>
void CpuBackend<T>::activate_dz(const Gate& gate, const Nodes& nodes, const T* z, const T* dq,
                                T* dz) {
  const Rows rows = rows_of(gate, nodes);
  const std::int64_t e = rows.hidden, width = gate.gate ? 2 * e : e, on = rows.active;
  with_kind(gate.activation, [&](auto kind) {
#pragma omp parallel for schedule(static)
    for (std::int64_t r = 0; r < rows.count; ++r) {
      const T *u = z + r * width, *v = gate.gate ? u + e : u, *d = dq + r * e;
      T *du = dz + r * width, *dv = gate.gate ? du + e : du;
      if constexpr (kind() == Activation::sort2) {
        sort2_dz(e / 2, gate.gate ? u : nullptr, v, d, du, dv);
      } else if (gate.gate) {
        gated_dz<kind()>(on, u, v, d, du, dv);
        gated_dz<Activation::none>(e - on, u + on, v + on, d + on, du + on, dv + on);
      } else {
        plain_dz<kind()>(on, v, d, dv);
        plain_dz<Activation::none>(e - on, v + on, d + on, dv + on);
      }
    }
  });
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace ortho
