#include "trainer/stage.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "model/grow.h"
#include "trainer/fixed_order.h"
#include "trainer/partial.h"

namespace ortho {
namespace {

std::int64_t planned_steps(const StageConfig& config, double flops_per_step) {
  if (config.until.steps > 0) return config.until.steps;
  const double steps = std::round(config.until.flops / flops_per_step);
  REQUIRE(steps < kNoLimit, "stage ", config.name, ": until.flops ", config.until.flops, " makes ",
          steps, " steps of ", flops_per_step, " FLOPs; that is more than can be counted");
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(steps));
}

Stage plan_stage(const StageConfig& config, std::int64_t text_symbols) {
  Stage stage;
  stage.config = config;
  stage.config.model.text_symbols = text_symbols;
  check_spec(stage.config.model);
  const std::int64_t window = context(stage.config.model);
  stage.windows = config.batch.windows > 0 ? config.batch.windows : config.batch.tokens / window;
  stage.tokens = checked_product(stage.windows, window);
  stage.flops_per_step = 6 * forward_macs(stage.config.model).executed *
                         static_cast<double>(stage.tokens) *
                         training_share(config.train, stage.config.model);
  stage.steps = planned_steps(config, stage.flops_per_step);
  return stage;
}

double mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

Sharding stage_sharding(const Stage& stage, const Cuts& cuts, int rank) {
  const ModelSpec& spec = stage.config.model;
  if (!stage.fixed_order) return {spec, stage.windows, cuts, rank};
  check_fixed_order(stage.windows, mesh_of(cuts).ranks(), cuts.batch);
  return {spec, stage.windows / kLeaves * cuts.batch, cuts, rank};
}

bool grows(ModelSpec from, const ModelSpec& to) {
  from.dropout = to.dropout;
  return from != to;
}

RunPlan plan_run(const RunConfig& config, std::int64_t text_symbols,
                 std::span<const std::int64_t> ended) {
  ASSERT(ended.size() <= config.stages.size(), ended.size(), " stages ended of ",
         config.stages.size());
  RunPlan plan;
  for (size_t i = 0; i < config.stages.size(); ++i) {
    Stage stage = plan_stage(config.stages[i], text_symbols);
    if (i < ended.size()) {
      ASSERT(ended[i] >= 1, "stage ", i, " ended after ", ended[i], " steps");
      stage.steps = ended[i];
    }
    stage.fixed_order = config.deterministic;
    stage.first_step = plan.steps;
    stage.grown = i > 0 && grows(plan.stages[i - 1].config.model, stage.config.model);
    plan.steps += stage.steps;
    plan.flops += static_cast<double>(stage.steps) * stage.flops_per_step;
    plan.stages.push_back(std::move(stage));
  }
  return plan;
}

void check_growths(const RunPlan& plan, size_t first) {
  for (size_t i = first + 1; i < plan.stages.size(); ++i) {
    const StageConfig &before = plan.stages[i - 1].config, &after = plan.stages[i].config;
    if (!grows(before.model, after.model)) continue;
    try {
      plan_growth(before.model, after.model);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::usage) throw;
      fail(ErrorKind::usage,
           text("stage ", after.name, " cannot follow stage ", before.name, ": ", error.reason()));
    }
  }
}

size_t stage_of(const RunPlan& plan, std::int64_t step) {
  ASSERT(step >= 0 && step < plan.steps, "step ", step, " of ", plan.steps);
  size_t stage = 0;
  while (step >= plan.stages[stage].first_step + plan.stages[stage].steps) ++stage;
  return stage;
}

double flops_before(const RunPlan& plan, std::int64_t step) {
  ASSERT(step >= 0 && step <= plan.steps, "step ", step, " of ", plan.steps);
  double flops = 0;
  for (const auto& stage : plan.stages) {
    const std::int64_t steps = std::clamp<std::int64_t>(step - stage.first_step, 0, stage.steps);
    flops += static_cast<double>(steps) * stage.flops_per_step;
  }
  return flops;
}

bool on_plateau(const PlateauConfig& plateau, std::span<const double> losses) {
  if (plateau.over == 0 || static_cast<std::int64_t>(losses.size()) < 2 * plateau.over)
    return false;
  const auto over = static_cast<size_t>(plateau.over);
  const auto last = losses.last(2 * over);
  return mean(last.first(over)) - mean(last.last(over)) < plateau.less_than;
}

}  // namespace ortho
