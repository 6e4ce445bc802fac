#include "launch/cost.h"

#include <algorithm>

#include "core/error.h"
#include "dataio/loader.h"
#include "model/model.h"
#include "tensor/backend.h"
#include "trainer/promise.h"
#include "trainer/stage_data.h"

namespace ortho {
namespace {

constexpr std::int64_t kWeightBytes = sizeof(float);

// Moments of the optimizer for each weight (trainer/optimizer.h).
std::int64_t moments(const OptimizerConfig& optimizer) {
  return optimizer.name == OptimizerConfig::Name::adamw ? 2 : 1;
}

std::int64_t model_bytes(const ModelSpec& spec, std::int64_t windows) {
  Params<float> params(param_specs(spec), true);
  const auto backend = make_cpu_backend<float>(1);
  Arena<float> arena(true);
  const Model<float> model(spec, windows, params, *backend, arena);
  return arena.bytes();
}

std::int64_t batch_bytes(std::int64_t tokens, std::int64_t windows) {
  return checked_product(tokens * windows, std::int64_t{sizeof(Token) + sizeof(Target)});
}

void add(SumCost& total, const SumCost& more) {
  total.messages += more.messages;
  total.bytes += more.bytes;
  total.buffer_bytes = std::max(total.buffer_bytes, more.buffer_bytes);
}

// What one step exchanges beside the gradients (trainer/step.cc, trainer/loop.cc).
SumCost small_sums(int ranks) {
  SumCost total;
  add(total, sum_cost(1, sizeof(std::int64_t), ranks));               // all read their batch
  add(total, sum_cost(2, sizeof(std::int64_t), ranks));               // scored targets, stop
  add(total, sum_cost(kTerms, sizeof(double), ranks));                // loss terms …
  add(total, sum_cost(2 * kTerms + 1, sizeof(std::int64_t), ranks));  // … and their counts
  add(total, sum_cost(1, sizeof(std::int64_t), ranks));               // metrics are written
  return total;
}

// Beside the old state a growth holds the new weights and gradients; then the larger of the
// two models that the probe runs in turn, after them the new moments.
std::int64_t growing_bytes(const GrowPlan& plan, const OptimizerConfig& optimizer) {
  const std::int64_t per_weight = kWeightBytes * (2 + moments(optimizer));
  const std::int64_t old_weights = count_weights(param_specs(plan.from));
  const std::int64_t new_weights = count_weights(param_specs(plan.to));
  std::int64_t probe = 0;
  if (plan.promise.kind != PromiseKind::none)
    probe = std::max(model_bytes(plan.from, promise_parts(plan) * probe_windows(plan)),
                     model_bytes(plan.to, probe_windows(plan)));
  const std::int64_t new_moments = new_weights * kWeightBytes * moments(optimizer);
  return old_weights * per_weight + 2 * new_weights * kWeightBytes + std::max(probe, new_moments);
}

}  // namespace

StageCost cost_of(const Stage& stage, const OptimizerConfig& optimizer, int ranks) {
  const ModelSpec& spec = stage.config.model;
  loader_options(stage, 0, 0, ranks);  // checks the objective
  StageCost cost;
  cost.context = context(spec);
  cost.windows = owned_windows(stage.windows, stage.config.data.streams, ranks, 0).size();
  cost.weights = count_weights(param_specs(spec));
  cost.macs = forward_macs(spec);
  cost.bytes.weights = cost.weights * kWeightBytes;
  cost.bytes.gradients = cost.bytes.weights;
  cost.bytes.moments = moments(optimizer) * cost.bytes.weights;
  cost.bytes.activations = model_bytes(spec, cost.windows);
  cost.bytes.batches = kLoaderBatches * batch_bytes(cost.context, cost.windows);
  cost.gradient_sum = sum_cost(cost.weights, kWeightBytes, ranks);
  cost.small_sums = small_sums(ranks);
  cost.bytes.sums = cost.gradient_sum.buffer_bytes;
  cost.flops_per_step = stage.flops_per_step;
  cost.flops = stage.flops_per_step * static_cast<double>(stage.steps);
  cost.tokens = checked_product(stage.tokens, stage.steps);
  return cost;
}

RunCost cost_of_run(const RunConfig& config, std::int64_t text_symbols, int ranks) {
  check_mesh(config.mesh, ranks);
  RunCost run;
  run.plan = plan_run(config, text_symbols);
  for (const Stage& stage : run.plan.stages) {
    StageCost cost = cost_of(stage, config.optimizer, ranks);
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

double step_sec(const StageCost& cost, int ranks, const Rate& rate) {
  return cost.flops_per_step / ranks / rate.flops_per_sec + rate.update_sec;
}

}  // namespace ortho
