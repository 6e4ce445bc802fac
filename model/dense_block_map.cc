#include "model/dense_block_map.h"

namespace ortho {
namespace {

// Without messages: each rank has what it takes. Backward, the other channels' gradient is zero.
template <class T>
Move<T>* own_channels(const Build<T>& build, const std::string& block) {
  const Sharding& sharding = build.sharding;
  const NodeShape nodes = sharding.nodes(build.spec.channels);
  const NodeShape input = layer_shapes(build.spec, sharding, layer_input_channels(build.spec),
                                       single_output(build.spec))
                              .input;
  return build.moves.add(input.shape,
                         same_cuts(sharding.whole_channels(sharding.home()), nodes, input),
                         same_cuts(sharding.home(), nodes, input), block + ", its own channels");
}

}  // namespace

std::vector<Layout> block_layouts(const ModelSpec& spec, const Sharding& sharding) {
  return layer_layouts(spec, sharding, layer_input_channels(spec), single_output(spec));
}

template <class T>
DenseBlockMap<T>::DenseBlockMap(const Build<T>& build, const std::vector<Layout>& layouts,
                                const std::string& block)
    : nodes_(build.sharding.local(build.sharding.whole_channels(build.sharding.home()),
                                  build.spec.channels)),
      own_(build.spec.in ? nullptr : own_channels(build, block)),
      layer_(build, layouts, layer_input_channels(build.spec), block, single_output(build.spec)),
      backend_(build.backend) {
  if (build.spec.in) in_ = &build.params.at(block + ".in");
  if (!in_ && !own_) return;
  mapped_ = build.arena.take(layer_.input().elements(), "the layer's input");
  gradient_ = build.arena.take(layer_.input().elements(), "its gradient");
}

template <class T>
void DenseBlockMap<T>::forward(const T* h, T* z) {
  if (in_)
    backend_.channel_map(nodes_, layer_.input().channels, h, in_->value, mapped_, false);
  else if (own_)
    own_->run(Way::forward, h, mapped_, Fill::over);
  layer_.forward(mapped_ ? mapped_ : h, z);
}

template <class T>
void DenseBlockMap<T>::backward(const T* h, const T* dz, T* dh) {
  if (!mapped_) return layer_.backward(h, dz, dh);
  layer_.backward(mapped_, dz, gradient_);
  if (own_) return own_->run(Way::backward, gradient_, dh, Fill::over);
  backend_.channel_map_dx(nodes_, layer_.input().channels, gradient_, in_->value, dh, false);
}

template <class T>
void DenseBlockMap<T>::backward_weights(const T* h, const T*) {
  if (in_ && in_->trained)
    backend_.channel_map_dw(nodes_, layer_.input().channels, h, gradient_, in_->grad);
}

template class DenseBlockMap<float>;
template class DenseBlockMap<double>;

}  // namespace ortho
