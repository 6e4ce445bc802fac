// Schedule: the learning rate of a step, a pure function of where the run stands.
//
//   warm-up   lr * (step + 1) / warmup
//   after it  lr * (final + (1 - final) * shape(tau)),  tau = (done - warm) / (total - warm)
//   re-warm   times (n + 1) / rewarm, n = 0 … rewarm - 1 steps after a growth
//
// done, warm and total are training FLOPs, so with one stage tau is the share of steps. A stage
// that a plateau ends early makes `total` smaller: the rate always arrives at final.
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

// shape(tau) is 1 - tau (linear) or (1 + cos(pi * tau)) / 2 (cosine). constant stays at lr.
double learning_rate(const OptimizerConfig& optimizer, const SchedulePoint& at);

SchedulePoint schedule_point(const OptimizerConfig& optimizer, const RunPlan& plan,
                             std::int64_t step);

}  // namespace ortho
