// Adam's update of rows of weights: one body for whole arrays and for blocks of a dense sum.
#pragma once

#include <cstdint>

#include "tensor/backend.h"

namespace ortho {

struct AdamwFactors {
  double beta1, beta2, decay, rate, root2, epsilon, scale, opened;
};
AdamwFactors adamw_factors(const AdamwStep& step);

// grad[rows][run] in steps of grad_row, the others in steps of `row`.
template <class T>
struct AdamwRows {
  const T* grad;
  T *weight, *first, *second;
  std::int64_t rows, run, grad_row, row;
};
template <class T>
void adamw_rows(const AdamwFactors& factors, const AdamwRows<T>& rows);

}  // namespace ortho
