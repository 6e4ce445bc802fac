#include "model/axis_map.h"

#include "core/error.h"

namespace ortho {

template <class T>
DenseAxisMap<T>::DenseAxisMap(const DenseMap& map, Param<T>& weight, Backend<T>& backend)
    : map_(map), weight_(weight), backend_(backend) {
  const Shape shape = merge_halves(weight.spec.dims, extent(weight.box));
  ASSERT(shape == weight_shape(map), weight.spec.name, " has shape ", shape_text(shape),
         ", its map needs ", shape_text(weight_shape(map)));
}

template <class T>
void DenseAxisMap<T>::forward(const T* x, T* y, bool add) {
  backend_.dense(map_, x, weight_.value, y, add);
}

template <class T>
void DenseAxisMap<T>::backward(const T* x, const T* dy, T* dx, bool add) {
  backward_weight(x, dy);
  backward_input(dy, dx, add);
}

template <class T>
void DenseAxisMap<T>::backward_weight(const T* x, const T* dy) {
  backend_.dense_dw(map_, x, dy, weight_.grad);
}

template <class T>
void DenseAxisMap<T>::backward_input(const T* dy, T* dx, bool add) {
  backend_.dense_dx(map_, dy, weight_.value, dx, add);
}

template class DenseAxisMap<float>;
template class DenseAxisMap<double>;

}  // namespace ortho
