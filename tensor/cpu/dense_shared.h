// The gradient of weights that all lines share:
// long sums, cut so that no result depends on threads.
//
// Every weight is summed by one thread, over chunks that stay in its cache, in their order.
#pragma once

#include "tensor/cpu/dense_geometry.h"

namespace ortho {

// dw += for weights shared or by position.
template <class T>
void shared_dense_dw(const DenseGeometry& g, const T* x, const T* dy, T* dw);

}  // namespace ortho
