// DenseAxisMap: the paper's map along one axis, bound to its weight and to the backend that runs it.
//
// On several ranks: the lines that this rank holds. Where there are fewer lines than ranks the axis
// stays cut: a rank maps its part of the input to all of the output, and these partial sums are
// added over the ranks of the line, in rank order, each rank getting its part of the output.
#pragma once

#include "model/moves.h"
#include "model/params.h"
#include "model/segments.h"
#include "tensor/backend.h"
#include "tensor/dense.h"

namespace ortho {

template <class T>
class DenseAxisMap {
 public:
  // Shapes must agree. `segments` are asked at each forward.
  DenseAxisMap(const DenseMap& map, Param<T>& weight, Backend<T>& backend,
               const Segments* segments = nullptr);

  // From here on the outputs are partial sums. `gather` moves this rank's part of the output to all
  // of it, so backward it adds them up; `all` has room for it. Both outlive the map.
  void sum_parts(Move<T>& gather, const std::span<T>& all, const Nodes& part);

  Nodes input() const { return input_nodes(map_); }
  const Nodes& output() const { return output_; }  // this rank's part
  // Whether it is term() of a backend's sum and no more.
  bool is_term() const;
  DenseTerm<T> term() const;
  void forward(const T* x, T* y, bool add);  // y = or += map(x)
  // dx = or +=; adds to weight.grad. dx may be x, which is read for the weight before.
  void backward(const T* x, const T* dy, T* dx, bool add);
  // Its two halves, the second one after the first.
  void backward_input(const T* dy, T* dx, bool add);
  void backward_weight(const T* x, const T* dy);

 private:
  void forward_segments(const T* x, T* y, bool add);
  const T* gather(const T* dy);  // all of it, which stays in `all`
  DenseMap map_;
  Nodes output_;
  Move<T>* gather_ = nullptr;
  const std::span<T>* all_ = nullptr;
  Param<T>& weight_;
  Backend<T>& backend_;
  const Segments* segments_;
};

}  // namespace ortho
