#include "trainer/mesh_cost.h"

#include <algorithm>

#include "core/error.h"
#include "dataio/loader.h"
#include "model/model.h"
#include "tensor/backend.h"
#include "trainer/fixed_order.h"
#include "trainer/objectives.h"
#include "trainer/replicas.h"
#include "trainer/traffic.h"

namespace ortho {
namespace {

constexpr std::int64_t kWeightBytes = sizeof(float);

void add(Sent& sum, const Sent& more) {
  sum.bytes += more.bytes;
  sum.messages += more.messages;
}

// As `rank` sees it.
// Of the loader. Where a rank keeps a part of its tokens, a window is laid out whole first.
std::int64_t batch_bytes(const ModelSpec& spec, const Sharding& sharding, Objective objective,
                         std::int64_t windows) {
  constexpr std::int64_t kTokenBytes = sizeof(Token) + sizeof(Target);
  const std::int64_t held = objective == Objective::diffusion
                                ? context(spec)
                                : elements(sharding.local_tokens(sharding.home()));
  const std::int64_t laid = held < context(spec) ? context(spec) * kTokenBytes : 0;
  return kLoaderBatches * checked_product(held * windows, kTokenBytes) + laid;
}

MeshCost cost_of_rank(const Stage& stage, const OptimizerConfig& optimizer,
                      const Sharding& sharding, const Machine& machine) {
  const ModelSpec& spec = stage.config.model;
  Params<float> params(param_specs(spec), param_layouts(spec, sharding), sharding.rank(), true);
  const auto backend = make_cpu_backend<float>(1);
  Arena<float> arena(true);
  const Model<float> model(spec, sharding, params, *backend, arena);
  MeshCost cost;
  cost.windows = stage.windows / sharding.replicas();
  cost.model_windows = sharding.windows() / sharding.replicas();
  cost.weights = params.size();
  cost.own_weights = params.own_size();
  cost.exchange = planned_exchange(model.moves());
  cost.gradients = planned_sums(params.groups(), sharding.rank(), kWeightBytes);
  cost.bytes.sums = sum_buffer_elements(params.groups()) * kWeightBytes;
  if (stage.fixed_order)
    cost.bytes.sums += tree_levels(kLeaves / sharding.replicas()) * cost.weights * kWeightBytes;
  cost.bytes.weights = cost.bytes.gradients = cost.weights * kWeightBytes;
  cost.bytes.moments = cost.own_weights * kWeightBytes * moments_of(optimizer);
  cost.bytes.activations = arena.bytes();
  for (const Objective objective : objectives_of(stage.config.objective))
    cost.bytes.batches += batch_bytes(spec, sharding, objective, cost.windows);
  // Where the channels are cut, the maps' work goes by the hidden units.
  const auto part = static_cast<double>(sharding.local(sharding.home(), 1).rows() *
                                        own_units(spec, sharding).size());
  cost.imbalance =
      part * sharding.ranks() / static_cast<double>(elements(sharding.nodes(spec.hidden).shape));
  cost.touched_bytes = touched_bytes(
      cost.bytes, cost.own_weights,
      static_cast<double>(spec.refeeds * cost.windows) / static_cast<double>(cost.model_windows));
  cost.compute_sec = stage.flops_per_step / sharding.ranks() / machine.flops * cost.imbalance;
  if (machine.bandwidth > 0)
    cost.compute_sec = std::max(cost.compute_sec, cost.touched_bytes / machine.bandwidth);
  const std::vector<int> nodes = nodes_of(machine, sharding.ranks());
  cost.sent = planned_levels(model.moves(), nodes);
  const SentByLevel sums =
      planned_sums_by_level(params.groups(), sharding.rank(), kWeightBytes, nodes);
  add(cost.sent.node, sums.node);
  add(cost.sent.network, sums.network);
  cost.message_sec = send_sec(machine, sharding.ranks(), cost.sent);
  return cost;
}

}  // namespace

double touched_bytes(const RankBytes& bytes, std::int64_t own_weights, double passes) {
  const auto weights = static_cast<double>(bytes.weights);
  const auto moments = static_cast<double>(bytes.moments);
  const auto own = static_cast<double>(own_weights * kWeightBytes);
  return 4 * weights * passes + 3 * own + 2 * moments + 3 * static_cast<double>(bytes.activations);
}

std::int64_t moments_of(const OptimizerConfig& optimizer) {
  return optimizer.name == OptimizerConfig::Name::adamw ? 2 : 1;
}

MeshCost mesh_cost(const Stage& stage, const OptimizerConfig& optimizer, const Cuts& cuts,
                   const Machine& machine) {
  owned_windows(stage.windows, stage.config.data.streams, cuts.batch, 0);  // checks
  const Sharding first = stage_sharding(stage, cuts, 0);
  MeshCost cost = cost_of_rank(stage, optimizer, first, machine);
  if (first.ranks() == 1) return cost;
  const Sharding last = stage_sharding(stage, cuts, first.ranks() - 1);
  const MeshCost other = cost_of_rank(stage, optimizer, last, machine);
  if (other.bytes.total() > cost.bytes.total()) cost.bytes = other.bytes;
  cost.weights = std::max(cost.weights, other.weights);
  cost.own_weights = std::max(cost.own_weights, other.own_weights);
  cost.touched_bytes = std::max(cost.touched_bytes, other.touched_bytes);
  cost.compute_sec = std::max(cost.compute_sec, other.compute_sec);
  if (other.message_sec > cost.message_sec) {
    cost.message_sec = other.message_sec;
    cost.sent = other.sent;
  }
  return cost;
}

}  // namespace ortho
