#include "model/dense_block_map.h"

#include "core/error.h"

namespace ortho {

template <class T>
DenseBlockMap<T>::DenseBlockMap(const Build<T>& build, const std::string& block)
    : nodes_(build.sharding.local(build.sharding.home(), build.spec.channels)),
      layer_(build, layer_input_channels(build.spec), block, single_output(build.spec)),
      backend_(build.backend) {
  if (!build.spec.in) return;
  REQUIRE(build.sharding.cuts().channels == 1,
          "model.in maps all channels of a token at home, but ", "the mesh cuts them into ",
          build.sharding.cuts().channels, " parts. Cut the batch or token axes, or set in: false.");
  in_ = &build.params.at(block + ".in");
  mapped_ = build.arena.take(layer_.input().elements(), "channel map into the layer");
  gradient_ = build.arena.take(layer_.input().elements(), "its gradient");
}

template <class T>
void DenseBlockMap<T>::forward(const T* h, T* z) {
  if (!in_) return layer_.forward(h, z);
  backend_.channel_map(nodes_, layer_.input().channels, h, in_->value, mapped_, false);
  layer_.forward(mapped_, z);
}

template <class T>
void DenseBlockMap<T>::backward(const T* h, const T* dz, T* dh) {
  if (!in_) return layer_.backward(h, dz, dh);
  layer_.backward(mapped_, dz, gradient_);
  backend_.channel_map_dw(nodes_, layer_.input().channels, h, gradient_, in_->grad);
  backend_.channel_map_dx(nodes_, layer_.input().channels, gradient_, in_->value, dh, false);
}

template class DenseBlockMap<float>;
template class DenseBlockMap<double>;

}  // namespace ortho
