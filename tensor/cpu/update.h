// Adam's update of rows of weights: one body for whole arrays and for blocks of a dense sum.
#pragma once

#include <cstdint>

#include "tensor/update_formulas.h"

namespace ortho {

// grad[rows][run] in steps of grad_row, the others in steps of `row`.
template <class T>
struct AdamwRows {
  const T* grad;
  T *weight, *first, *second;
  std::int64_t rows, run, grad_row, row;
};
template <class T>
void adamw_rows(const AdamwFactors<T>& factors, const AdamwRows<T>& rows);

}  // namespace ortho
