#include "launch/cost.h"

#include <algorithm>

#include "core/error.h"
#include "model/model.h"
#include "tensor/backend.h"
#include "trainer/fixed_order.h"
#include "trainer/promise.h"
#include "trainer/run_meshes.h"
#include "trainer/stage_data.h"
#include "trainer/traffic.h"

namespace ortho {
namespace {

constexpr std::int64_t kWeightBytes = sizeof(float);

std::int64_t model_bytes(const ModelSpec& spec, std::int64_t windows) {
  Params<float> params(param_specs(spec), true);
  const auto backend = make_cpu_backend<float>(1);
  Arena<float> arena(true);
  const Model<float> model(spec, windows, params, *backend, arena);
  return arena.bytes();
}

void add(SumCost& total, const SumCost& more) {
  total.messages += more.messages;
  total.bytes += more.bytes;
  total.buffer_bytes = std::max(total.buffer_bytes, more.buffer_bytes);
}

// What one step exchanges beside activations and gradients (trainer/step.cc, trainer/loop.cc).
SumCost small_sums(int ranks, std::int64_t exchanged_axes, bool fixed_order) {
  SumCost total;
  add(total, sum_cost(1, sizeof(std::int64_t), ranks));               // all read their batch
  add(total, sum_cost(3, sizeof(std::int64_t), ranks));               // targets, stop, writing
  add(total, sum_cost(2 * kTerms, sizeof(double), ranks));            // loss terms …
  add(total, sum_cost(2 * kTerms + 1, sizeof(std::int64_t), ranks));  // … and their counts
  add(total, sum_cost(ranks * (1 + 2 * exchanged_axes), sizeof(double), ranks));  // seconds
  add(total, sum_cost(1, sizeof(std::int64_t), ranks));              // metrics are written
  if (!fixed_order) add(total, sum_cost(1, sizeof(double), ranks));  // the gradient's norm
  if (fixed_order) {
    add(total, sum_cost(2 * std::int64_t{kTerms} * kLeaves, sizeof(double), ranks));  // each leaf's
    add(total, sum_cost(1, sizeof(std::int64_t), ranks));  // the norm's exponent …
    add(total, sum_cost(3, sizeof(std::int64_t), ranks));  // … and its digits
  }
  return total;
}

// Beside the old state a growth holds the new weights and gradients; then the larger of the
// two models that the probe runs in turn, after them the new moments.
std::int64_t growing_bytes(const GrowPlan& plan, const OptimizerConfig& optimizer) {
  const std::int64_t per_weight = kWeightBytes * (2 + moments_of(optimizer));
  const std::int64_t old_weights = count_weights(param_specs(plan.from));
  const std::int64_t new_weights = count_weights(param_specs(plan.to));
  std::int64_t probe = 0;
  if (plan.promise.kind != PromiseKind::none)
    probe = std::max(model_bytes(plan.from, promise_parts(plan) * probe_windows(plan)),
                     model_bytes(plan.to, probe_windows(plan)));
  const std::int64_t new_moments = new_weights * kWeightBytes * moments_of(optimizer);
  return old_weights * per_weight + 2 * new_weights * kWeightBytes + std::max(probe, new_moments);
}

// What does not depend on the mesh, beside `rank`.
StageCost with_rank(const Stage& stage, MeshCost rank, int ranks) {
  const ModelSpec& spec = stage.config.model;
  StageCost cost;
  cost.context = context(spec);
  cost.weights = count_weights(param_specs(spec));
  cost.macs = forward_macs(spec);
  cost.small_sums =
      small_sums(ranks, static_cast<std::int64_t>(rank.exchange.size()), stage.fixed_order);
  cost.rank = std::move(rank);
  cost.flops_per_step = stage.flops_per_step;
  cost.flops = stage.flops_per_step * static_cast<double>(stage.steps);
  cost.tokens = checked_product(stage.tokens, stage.steps);
  return cost;
}

}  // namespace

StageCost cost_of(const Stage& stage, const OptimizerConfig& optimizer, const Cuts& cuts,
                  const Machine& machine) {
  return with_rank(stage, mesh_cost(stage, optimizer, cuts, machine), mesh_of(cuts).ranks());
}

RunCost cost_of_run(const RunConfig& config, std::int64_t text_symbols, int ranks) {
  RunCost run;
  run.machine = config.machine;
  run.plan = plan_run(config, text_symbols);
  for (const Stage& stage : run.plan.stages) {
    const int stage_ranks = ranks_of_stage(stage.config, ranks);
    run.meshes.push_back(choose_mesh(stage, config, stage_ranks));
    StageCost cost = with_rank(stage, run.meshes.back().best().cost, stage_ranks);
    if (stage.grown) {
      const Stage& before = run.plan.stages[run.stages.size() - 1];
      cost.growth = plan_growth(before.config.model, stage.config.model);
      cost.growing_bytes = growing_bytes(*cost.growth, config.optimizer);
    }
    run.tokens += cost.tokens;
    run.stages.push_back(std::move(cost));
  }
  return run;
}

Rate described_rate(const StageCost& cost, int ranks) {
  return {cost.flops_per_step / ranks * cost.rank.imbalance / cost.rank.compute_sec, 0};
}

double message_sec(const StageCost& cost, int ranks, const Machine& machine) {
  // The small sums go to every rank alike.
  const std::int64_t near =
      machine.ranks_per_node == 0 ? ranks : std::min<std::int64_t>(machine.ranks_per_node, ranks);
  const auto others = std::max<std::int64_t>(1, ranks - 1);
  const SumCost& sums = cost.small_sums;
  const auto part = [&](std::int64_t count) {
    return Sent{sums.bytes * count / others, sums.messages * count / others, 0};
  };
  return cost.rank.message_sec + send_sec(machine, ranks, {part(near - 1), part(ranks - near)});
}

double step_sec(const StageCost& cost, int ranks, const Rate& rate, const Machine& machine) {
  return cost.flops_per_step / ranks / rate.flops_per_sec * cost.rank.imbalance + rate.update_sec +
         message_sec(cost, ranks, machine);
}

std::int64_t checkpoint_bytes(const StageCost& cost, const OptimizerConfig& optimizer) {
  return cost.weights * kWeightBytes * (1 + moments_of(optimizer));
}

}  // namespace ortho
