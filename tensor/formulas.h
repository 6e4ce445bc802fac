// Formulas written once, for host and device: activations and their derivatives.
//
// ORTHO_HD marks what a CUDA kernel may call too. fast_exp is a polynomial that compilers turn into
// vector code; its relative error is below 2 ulp in float. In double, std::exp.
#pragma once

#include <annotations.h>

#include <bit>
#include <cmath>
#include <cstdint>

namespace ortho {

enum class Norm { none, rms, layer };
enum class Activation { none, melu, relu, leaky_relu, abs, elu, hard_tanh, sort2, gelu, silu };

ORTHO_HD inline double fast_exp(double x) { return std::exp(x); }

// e^x = 2^n * e^r with |r| <= ln2 / 2, Cephes' minimax polynomial for e^r. Clamped to [-87, 88].
ORTHO_HD inline float fast_exp(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  const float shifted = x * 1.44269504f + 12582912.0f;  // 1.5 * 2^23 rounds to the nearest integer
  const float n = shifted - 12582912.0f;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const auto exponent = static_cast<std::uint32_t>(static_cast<std::int32_t>(n) + 127) << 23;
  return p * std::bit_cast<float>(exponent);
}

// f(x) of every activation that works on one node; sort2 works on pairs and lives in the backends.
template <class T>
ORTHO_HD inline T activate(Activation kind, T x) {
  const T negative = x < T(0) ? x : T(0);
  switch (kind) {
    case Activation::melu:
      return x * fast_exp(negative);
    case Activation::relu:
      return x - negative;
    case Activation::leaky_relu:
      return x < T(0) ? T(0.25) * x : x;
    case Activation::abs:
      return x < T(0) ? -x : x;
    case Activation::elu:
      return x < T(0) ? fast_exp(negative) - T(1) : x;
    case Activation::hard_tanh:
      return x < T(-1) ? T(-1) : (x > T(1) ? T(1) : x);
    case Activation::gelu:
      return T(0.5) * x * (T(1) + std::erf(x * T(0.70710678118654752440)));
    case Activation::silu:
      return x / (T(1) + fast_exp(-x));
    default:
      return x;
  }
}

// f'(x); at a kink the right derivative, except hard_tanh's (0 outside, 1 within [-1, 1]).
template <class T>
ORTHO_HD inline T activate_slope(Activation kind, T x) {
  const T negative = x < T(0) ? x : T(0);
  switch (kind) {
    case Activation::melu:
      return fast_exp(negative) * (T(1) + negative);
    case Activation::relu:
      return x < T(0) ? T(0) : T(1);
    case Activation::leaky_relu:
      return x < T(0) ? T(0.25) : T(1);
    case Activation::abs:
      return x < T(0) ? T(-1) : T(1);
    case Activation::elu:
      return x < T(0) ? fast_exp(negative) : T(1);
    case Activation::hard_tanh:
      return x < T(-1) || x > T(1) ? T(0) : T(1);
    case Activation::gelu: {
      const T cdf = T(0.5) * (T(1) + std::erf(x * T(0.70710678118654752440)));
      return cdf + x * T(0.39894228040143267794) * fast_exp(T(-0.5) * x * x);
    }
    case Activation::silu: {
      const T s = T(1) / (T(1) + fast_exp(-x));
      return s * (T(1) + x * (T(1) - s));
    }
    default:
      return T(1);
  }
}

}  // namespace ortho
