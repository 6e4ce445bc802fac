// DenseAxisMap: the paper's map along one axis, bound to
// its weight and to the backend that runs it. On several ranks: the lines that this rank holds.
#pragma once

#include "model/params.h"
#include "tensor/backend.h"
#include "tensor/dense.h"

namespace ortho {

template <class T>
class DenseAxisMap {
 public:
  DenseAxisMap(const DenseMap& map, Param<T>& weight, Backend<T>& backend);  // shapes must agree

  Nodes input() const { return input_nodes(map_); }
  Nodes output() const { return output_nodes(map_); }
  void forward(const T* x, T* y, bool add);  // y = or += map(x)
  // dx = or +=; adds to weight.grad. dx may be x, which is read for the weight before.
  void backward(const T* x, const T* dy, T* dx, bool add);
  // Its two halves.
  void backward_weight(const T* x, const T* dy);
  void backward_input(const T* dy, T* dx, bool add);

 private:
  DenseMap map_;
  Param<T>& weight_;
  Backend<T>& backend_;
};

}  // namespace ortho
