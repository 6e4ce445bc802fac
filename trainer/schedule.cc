#include "trainer/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace ortho {
namespace {

using Decay = OptimizerConfig::Decay;

double decayed(const OptimizerConfig& optimizer, double tau) {
  const double fall = 1 - optimizer.final;
  switch (optimizer.decay) {
    case Decay::constant:
      return 1;
    case Decay::linear:
      return optimizer.final + fall * (1 - tau);
    case Decay::cosine:
      return optimizer.final + fall * (1 + std::cos(std::numbers::pi * tau)) / 2;
  }
  return 1;
}

// (n + 1) / steps for the n-th of `steps` steps, 1 behind them.
double ramp(std::int64_t n, std::int64_t steps) {
  return n < steps ? static_cast<double>(n + 1) / static_cast<double>(steps) : 1;
}

}  // namespace

double learning_rate(const OptimizerConfig& optimizer, const SchedulePoint& at) {
  const double rewarm = at.since_growth < 0 ? 1 : ramp(at.since_growth, optimizer.rewarm);
  if (at.step < optimizer.warmup) return optimizer.lr * ramp(at.step, optimizer.warmup) * rewarm;
  const double length = at.flops_total - at.flops_warmup;
  const double tau = length > 0 ? (at.flops_done - at.flops_warmup) / length : 1;
  return optimizer.lr * decayed(optimizer, std::clamp(tau, 0.0, 1.0)) * rewarm;
}

SchedulePoint schedule_point(const OptimizerConfig& optimizer, const RunPlan& plan,
                             std::int64_t step) {
  SchedulePoint at;
  at.step = step;
  at.flops_done = flops_before(plan, step);
  at.flops_warmup = flops_before(plan, std::min(optimizer.warmup, plan.steps));
  at.flops_total = plan.flops;
  for (const auto& stage : plan.stages)
    if (stage.grown && stage.first_step <= step) at.since_growth = step - stage.first_step;
  return at;
}

}  // namespace ortho
