// Stages: what the run does at which step, a pure function of the config and of where stages ended.
//
// A plateau may end a stage before its planned steps; the run then tells
// `ended`, the steps that stage really ran, and planning again gives the run
// as it now is. Training FLOPs are 6 x executed multiply-adds x tokens:
// a multiply-add is two, and the backward pass costs twice the forward pass.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/sharding.h"
#include "trainer/config.h"

namespace ortho {

struct Stage {
  StageConfig config;           // config.model has its text_symbols and has been checked
  std::int64_t windows = 0;     // of one step, over all ranks
  std::int64_t tokens = 0;      // of one step: windows x T
  std::int64_t first_step = 0;  // global number of its first step
  std::int64_t steps = 0;       // planned, or run when it ended
  double flops_per_step = 0;
  bool grown = false;        // the model differs from the stage before
  bool fixed_order = false;  // config.deterministic, see trainer/fixed_order.h
};

struct RunPlan {
  std::vector<Stage> stages;
  std::int64_t steps = 0;
  double flops = 0;
};

// `text_symbols` is the size of the data's vocabulary. `ended[i]` is the number of steps that stage
// i ran, a fact whatever the config plans now; stages beyond `ended` have their planned steps.
RunPlan plan_run(const RunConfig& config, std::int64_t text_symbols,
                 std::span<const std::int64_t> ended = {});

// How this rank holds the model. Its windows are those that the replicas' models take together: a
// step's, or in fixed order a leaf's for each.
Sharding stage_sharding(const Stage& stage, const Cuts& cuts, int rank);

// Whether `to` is another model than `from`. Dropout draws
// numbers, it has no weights: changing it grows nothing.
bool grows(ModelSpec from, const ModelSpec& to);

// Error(usage) naming the stage when the model of one cannot grow into that of the next; from stage `first` on.
void check_growths(const RunPlan& plan, size_t first = 0);

size_t stage_of(const RunPlan& plan, std::int64_t step);  // of global step 0 … plan.steps - 1
// Of all steps before `step`, up to plan.steps.
double flops_before(const RunPlan& plan, std::int64_t step);

// Whether the losses of a stage's steps so far, one a step, lie on a plateau: the mean of the last
// `over` is less than `less_than` nats below the mean of the `over` before them.
bool on_plateau(const PlateauConfig& plateau, std::span<const double> losses);

}  // namespace ortho
