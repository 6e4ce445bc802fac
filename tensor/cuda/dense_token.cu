// One token of a causal dense map: what generation with kept inputs computes for each new token.
#include <algorithm>

#include "core/error.h"
#include "tensor/cuda/cuda_backend.h"
#include "tensor/cuda/dense_task.h"
#include "tensor/cuda/for_each.h"

namespace ortho {
namespace {

// One node of the token. The largest d first, as dense() adds them.
template <class T>
struct TokenNode {
  DenseTask task;
  std::int32_t first, taps;  // d from `first` to taps - 1
  const T* const* inputs;
  const T* w;  // of this token
  T* y;
  bool add;
  __device__ void operator()(std::uint32_t e) const {
    const T* const own = w + task.w_lane(e);
    T sum = 0;
    for (std::int32_t d = taps - 1; d >= first; --d) sum += own[d] * inputs[d][e];
    y[e] = add ? y[e] + sum : sum;
  }
};

// Where the weights of a token begin, but for its slice of the channels.
std::int64_t token_weights(const DenseMap& map, std::int64_t token) {
  const std::int64_t taps = map.reach() + 1;
  if (map.weights == Weights::separate) return token * map.channels * taps;
  if (map.weights != Weights::by_position) return 0;
  const std::int64_t stride = strides(map.tokens)[static_cast<size_t>(map.axis)];
  return token / stride % map.size() * taps;
}

}  // namespace

template <class T>
void CudaBackend<T>::dense_token(const DenseMap& map, std::int64_t token,
                                 std::span<const T* const> inputs, const T* w, T* y, bool add) {
  ASSERT(map.causal(), "dense_token is for causal maps along a token axis");
  const std::int64_t taps = std::min(static_cast<std::int64_t>(inputs.size()), map.reach() + 1);
  device_.begin_operation();
  TokenNode<T> node{};
  node.task = dense_task(map);  // its lanes with inner coordinate 0 are the token's nodes
  node.first = map.self ? 0 : 1;
  node.taps = static_cast<std::int32_t>(taps);
  node.inputs = device_.send(inputs);
  node.w = w + token_weights(map, token);
  node.y = y;
  node.add = add;
  for_each(device_, map.batch * map.channels, node);
}

template class CudaBackend<float>;

}  // namespace ortho
