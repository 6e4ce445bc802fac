// The dense map of tensor/dense.h on the CPU. Results do not depend on the number of threads.
//
// Each output of cpu_dense is one sum over rising k, so both orders give
// the same bits. Fast where nodes that share a weight lie side by side:
// batch innermost, or weights shared over channels and batch.
#pragma once

#include "tensor/cpu/pause.h"
#include "tensor/dense.h"

namespace ortho {

// y = map(x), or y += map(x) with `add`. x and y must not overlap. All pause between their pieces.
template <class T>
void cpu_dense(const DenseMap& map, const T* x, const T* w, T* y, bool add, Pause* pause = nullptr);

// dx = map*(dy), the adjoint, or dx += with `add`.
template <class T>
void cpu_dense_dx(const DenseMap& map, const T* dy, const T* w, T* dx, bool add,
                  Pause* pause = nullptr);

// dw += d(loss)/d(w).
template <class T>
void cpu_dense_dw(const DenseMap& map, const T* x, const T* dy, T* dw, Pause* pause = nullptr);

}  // namespace ortho
