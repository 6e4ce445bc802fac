// Schedule: the learning rate of a step, a pure function of where the run stands.
//
//   warm-up   step < warmup:  lr * (step + 1) / warmup
//   after it  lr * (final + (1 - final) * shape(tau)), tau = (done - warm) / (total - warm) in
//   training FLOPs,
//             done before this step, warm those of the warm-up steps, total those of the whole run;
//             shape = 1 (constant), 1 - tau (linear), (1 + cos(pi * tau)) / 2 (cosine); constant
//             ignores final
//   re-warm   n = 0 … rewarm - 1 steps after a growth: times (n + 1) / rewarm
//
// With one stage tau is the share of steps after the warm-up. A stage that a plateau ends early
// makes `total` smaller, so the rate always arrives at final.
#pragma once

#include <cstdint>

#include "trainer/config.h"
#include "trainer/stage.h"

namespace ortho {

struct SchedulePoint {
  std::int64_t step = 0;           // global, from 0
  double flops_done = 0;           // before this step
  double flops_warmup = 0;         // of the warm-up steps
  double flops_total = 0;          // planned for the run
  std::int64_t since_growth = -1;  // steps since the last growth, 0 at its first; -1: none yet
};

double learning_rate(const OptimizerConfig& optimizer, const SchedulePoint& at);

SchedulePoint schedule_point(const OptimizerConfig& optimizer, const RunPlan& plan,
                             std::int64_t step);

}  // namespace ortho
