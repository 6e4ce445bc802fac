#include "model/model.h"

namespace ortho {

template <class T>
Model<T>::Model(const ModelSpec& spec, std::int64_t windows, Params<T>& params, Backend<T>& backend,
                Arena<T>& arena)
    : spec_(spec),
      nodes_{context(spec), windows, spec.channels, tensor_order(spec)},
      embed_(spec, nodes_, params, backend, arena),
      stack_(spec, nodes_, params, backend, arena),
      head_(spec, nodes_, params, backend, arena),
      gradient_(arena.take(nodes_.elements(), "residual gradient")) {}

template <class T>
TermSums Model<T>::train(const Batch& batch, const TermWeights& weights, double normaliser,
                         const DropoutKey& dropout) {
  embed_.forward(batch, stack_.input());
  stack_.forward(dropout);
  const TermSums sums =
      head_.score_and_differentiate(batch, weights, normaliser, stack_.output(), gradient_);
  stack_.backward(dropout, gradient_);
  embed_.backward(gradient_);
  return sums;
}

template <class T>
TermSums Model<T>::score(const Batch& batch) {
  embed_.forward(batch, stack_.input());
  stack_.forward({});
  return head_.score(batch, stack_.output());
}

template <class T>
void Model<T>::run(const Batch& batch) {
  embed_.forward(batch, stack_.input());
  stack_.forward({});
  head_.forward_rows(stack_.output());
}

template class Model<float>;
template class Model<double>;

}  // namespace ortho
