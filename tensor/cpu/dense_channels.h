// The dense map along the channel axis with the channels innermost: y[t][b][:] = x[t][b][:] * W[t].
//
// Here W's rows are the contiguous runs and the activations the broadcast factors, the other way
// round than everywhere else; the kernels are the same.
#pragma once

#include "tensor/dense.h"

namespace ortho {

template <class T>
void channels_dense(const DenseMap& map, const T* x, const T* w, T* y, bool add);
template <class T>
void channels_dense_dx(const DenseMap& map, const T* dy, const T* w, T* dx, bool add);
template <class T>
void channels_dense_dw(const DenseMap& map, const T* x, const T* dy, T* dw);

}  // namespace ortho
