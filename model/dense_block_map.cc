#include "model/dense_block_map.h"

#include "core/error.h"

namespace ortho {

template <class T>
DenseBlockMap<T>::DenseBlockMap(const ModelSpec&, const Nodes&, const std::string&, Params<T>&,
                                Backend<T>&, Arena<T>&) {
  ASSERT(false, "the dense layer is not wired in yet");
}
template <class T>
DenseBlockMap<T>::~DenseBlockMap() = default;
template <class T>
void DenseBlockMap<T>::forward(const T*, T*) {}
template <class T>
void DenseBlockMap<T>::backward(const T*, const T*, T*) {}

template class DenseBlockMap<float>;
template class DenseBlockMap<double>;

}  // namespace ortho
