#include "model/model.h"

#include "core/error.h"
#include "model/watch.h"

namespace ortho {
namespace {

Nodes batch_nodes(const ModelSpec& spec, const Sharding& sharding) {
  const Nodes local = sharding.local(sharding.home(), spec.channels);
  return {context(spec), local.batch, spec.channels, local.order};
}

std::unique_ptr<Channel> ranks_of_replica(const Sharding& sharding, Channel* world) {
  if (world == nullptr || sharding.ranks() == sharding.replicas()) return nullptr;
  return world->split(sharding.replica());
}

// The ranks with the same rows and other channels.
std::unique_ptr<Channel> ranks_alike(const Sharding& sharding, Channel* world) {
  if (world == nullptr || sharding.cuts().channels == 1) return nullptr;
  return axis_channel(*world, sharding.mesh(), "channels");
}

}  // namespace

template <class T>
Model<T>::Model(const ModelSpec& spec, const Sharding& sharding, Params<T>& params,
                Backend<T>& backend, Arena<T>& arena, Channel* world)
    : spec_(spec),
      sharding_(sharding),
      nodes_(batch_nodes(spec, sharding)),
      moves_(sharding_, world, arena),
      replica_(ranks_of_replica(sharding_, arena.measuring() ? nullptr : world)),
      alike_(ranks_alike(sharding_, arena.measuring() ? nullptr : world)),
      build_{spec_, sharding_, params, backend, arena, moves_, &segments_},
      embed_(build_),
      stack_(build_),
      head_(build_, replica_.get(), alike_.get()),
      settling_{0, replica_.get(), spec.refeeds},
      gradient_(arena.take(sharding.local(sharding.home(), spec.channels).elements(),
                           "residual gradient")) {
  moves_.take_workspace();
}

template <class T>
Model<T>::Model(const ModelSpec& spec, std::int64_t windows, Params<T>& params, Backend<T>& backend,
                Arena<T>& arena)
    : Model(spec, Sharding(spec, windows), params, backend, arena) {}

template <class T>
TermSums Model<T>::train(const Batch& batch, const TermWeights& weights, double normaliser,
                         const DropoutKey& dropout) {
  const Watch<T> watch(build_.backend, moves_);
  embed_.forward(batch, stack_.input());
  stack_.forward(dropout);
  const TermSums sums =
      head_.score_and_differentiate(batch, weights, normaliser, stack_.output(), gradient_);
  const bool to_input = embed_.trained();
  stack_.backward(dropout, gradient_, to_input);
  if (to_input) embed_.backward(gradient_);
  return sums;
}

template <class T>
void Model<T>::keep_active(double share) {
  REQUIRE(share > 0 && share <= 1, "active nodes ", share, ": above 0, up to 1");
  REQUIRE(share == 1 || sharding_.cuts().channels == 1, "active nodes ", share,
          ": no rank sees all units of a token where the mesh cuts the "
          "channels. Use fewer ranks, or a number that the batch or the token axes can be cut by.");
  active_nodes_ = share;
}

template <class T>
DropoutKey Model<T>::inference() const {
  DropoutKey key;
  key.active_nodes = active_nodes_;
  return key;
}

template <class T>
TermSums Model<T>::score(const Batch& batch) {
  const Watch<T> watch(build_.backend, moves_);
  embed_.forward(batch, stack_.input());
  stack_.forward(inference(), &settling_);
  return head_.score(batch, stack_.output());
}

template <class T>
void Model<T>::run(const Batch& batch) {
  const Watch<T> watch(build_.backend, moves_);
  embed_.forward(batch, stack_.input());
  stack_.forward(inference(), &settling_);
  head_.forward_rows(stack_.output());
}

template <class T>
void Model<T>::run(const Batch& batch, std::span<const std::int64_t> starts) {
  segments_ = segments_at(spec_, sharding_, starts);
  run(batch);
  segments_.clear();
}

template class Model<float>;
template class Model<double>;

}  // namespace ortho
