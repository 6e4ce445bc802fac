#include "model/axis_map.h"

#include "core/error.h"
#include "model/token_runs.h"

namespace ortho {

template <class T>
DenseAxisMap<T>::DenseAxisMap(const DenseMap& map, Param<T>& weight, Backend<T>& backend,
                              const Segments* segments)
    : map_(map),
      output_(output_nodes(map)),
      weight_(weight),
      backend_(backend),
      segments_(segments) {
  const Shape shape = merge_halves(weight.spec.dims, extent(weight.box));
  ASSERT(shape == weight_shape(map), weight.spec.name, " has shape ", shape_text(shape),
         ", its map needs ", shape_text(weight_shape(map)));
}

template <class T>
void DenseAxisMap<T>::sum_parts(Move<T>& gather, const std::span<T>& all, const Nodes& part) {
  gather_ = &gather;
  all_ = &all;
  output_ = part;
}

template <class T>
bool DenseAxisMap<T>::is_term() const {
  return gather_ == nullptr && (segments_ == nullptr || segments_->empty());
}

template <class T>
DenseTerm<T> DenseAxisMap<T>::term() const {
  return {map_, weight_.value, weight_.trained ? weight_.grad : nullptr};
}

template <class T>
void DenseAxisMap<T>::forward(const T* x, T* y, bool add) {
  if (segments_ && !segments_->empty()) return forward_segments(x, y, add);
  const DenseTerm<T> one = term();
  if (gather_ == nullptr) return backend_.dense_sum({&one, 1}, x, y, add);
  backend_.dense(map_, x, weight_.value, all_->data(), false);
  gather_->run(Way::backward, all_->data(), y, add ? Fill::add : Fill::over);
}

// Each as if it stood at the window's start.
template <class T>
void DenseAxisMap<T>::forward_segments(const T* x, T* y, bool add) {
  ASSERT(gather_ == nullptr, weight_.spec.name, " has partial sums");
  const std::int64_t in = map_.batch * map_.channels, out = output_.batch * output_.channels;
  std::vector<const T*> taps;
  for (const Range& segment : *segments_) {
    const T* const first = x + segment.lo * in;
    map_tokens(
        backend_, map_, Range{0, segment.size()}, first,
        [&](std::int64_t token) { return first + token * in; }, weight_.value, y + segment.lo * out,
        add, taps);
  }
}

template <class T>
const T* DenseAxisMap<T>::gather(const T* dy) {
  if (gather_ == nullptr) return dy;
  gather_->run(Way::forward, dy, all_->data(), Fill::over);
  return all_->data();
}

template <class T>
void DenseAxisMap<T>::backward(const T* x, const T* dy, T* dx, bool add) {
  const DenseTerm<T> one = term();
  backend_.dense_sum_back({&one, 1}, x, gather(dy), dx, add);
}

template <class T>
void DenseAxisMap<T>::backward_input(const T* dy, T* dx, bool add) {
  backend_.dense_dx(map_, gather(dy), weight_.value, dx, add);
}

template <class T>
void DenseAxisMap<T>::backward_weight(const T* x, const T* dy) {
  if (weight_.trained) backend_.dense_dw(map_, x, gather_ ? all_->data() : dy, weight_.grad);
}

template class DenseAxisMap<float>;
template class DenseAxisMap<double>;

}  // namespace ortho
