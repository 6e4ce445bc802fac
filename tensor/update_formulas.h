// Optimizer updates of one weight, written once. AdamW: Loshchilov & Hutter, "Decoupled weight
// decay regularization", 2019.
//
// kSparse: a weight of 0 is closed. It and its moments stay 0, without a branch.
#pragma once

#include <annotations.h>

#include <cmath>

namespace ortho {

// What a sparse weight moves to: a closed one (open = 0) stays 0, others stay `opened` away from it.
template <class T>
ORTHO_HD inline T stay_open(T open, T moved, T opened) {
  const T size = std::abs(moved);
  return open * std::copysign(size < opened ? opened : size, moved);
}

template <class T>
struct AdamwFactors {
  T b1, b2, c1, c2;  // c = 1 - b
  T keep;            // 1 - rate * decay
  T rate, root2;     // with their bias corrections
  T epsilon, scale, opened;

  // Step: AdamwStep of tensor/backend.h
  template <class Step>
  static AdamwFactors of(const Step& step) {
    const double n = static_cast<double>(step.step);
    return {static_cast<T>(step.beta1),
            static_cast<T>(step.beta2),
            static_cast<T>(1 - step.beta1),
            static_cast<T>(1 - step.beta2),
            static_cast<T>(1 - step.rate * step.decay),
            static_cast<T>(step.rate / (1 - std::pow(step.beta1, n))),
            static_cast<T>(1 / std::sqrt(1 - std::pow(step.beta2, n))),
            static_cast<T>(step.epsilon),
            static_cast<T>(step.gradient_scale),
            static_cast<T>(step.opened)};
  }
};

template <bool kSparse, class T>
ORTHO_HD inline void adamw_weight(const AdamwFactors<T>& f, T gradient, T& weight, T& first,
                                  T& second) {
  const T open = kSparse && weight == 0 ? T(0) : T(1);
  const T g = kSparse ? open * (gradient * f.scale) : gradient * f.scale;
  first = f.b1 * first + f.c1 * g;
  second = f.b2 * second + f.c2 * g * g;
  const T moved = f.keep * weight - f.rate * first / (std::sqrt(second) * f.root2 + f.epsilon);
  weight = kSparse ? stay_open(open, moved, f.opened) : moved;
}

template <class T>
struct SgdFactors {
  T rate, momentum, decay, scale, opened;

  template <class Step>
  static SgdFactors of(const Step& step) {
    return {static_cast<T>(step.rate), static_cast<T>(step.momentum), static_cast<T>(step.decay),
            static_cast<T>(step.gradient_scale), static_cast<T>(step.opened)};
  }
};

template <bool kSparse, class T>
ORTHO_HD inline void sgd_weight(const SgdFactors<T>& f, T gradient, T& weight, T& velocity) {
  const T open = kSparse && weight == 0 ? T(0) : T(1);
  const T g = kSparse ? open * gradient : gradient;
  velocity = f.momentum * velocity + f.scale * g;
  const T moved = weight - f.rate * (velocity + f.decay * weight);
  weight = kSparse ? stay_open(open, moved, f.opened) : moved;
}

}  // namespace ortho
