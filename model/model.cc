#include "model/model.h"

#include <limits>

#include "core/error.h"

namespace ortho {
namespace {

Nodes model_nodes(const ModelSpec& spec, std::int64_t windows) {
  constexpr std::int64_t kMostRows = std::numeric_limits<std::int32_t>::max();
  REQUIRE(windows >= 1 && windows <= kMostRows / context(spec), windows, " windows of ",
          context(spec), " tokens on one rank: 1 to ", kMostRows,
          " tokens in all, which are numbered with 32 bits. Use fewer windows or more ranks.");
  return {context(spec), windows, spec.channels, tensor_order(spec)};
}

}  // namespace

template <class T>
Model<T>::Model(const ModelSpec& spec, std::int64_t windows, Params<T>& params, Backend<T>& backend,
                Arena<T>& arena)
    : spec_(spec),
      nodes_(model_nodes(spec, windows)),
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
