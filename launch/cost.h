// Cost: what a stage asks of each rank, as numbers. Pure: no MPI, no device, nothing allocated.
//
// Bytes are counted where they are taken: the model is built on a measuring Arena,
// sums are asked of comm/mpi.h, optimizer and loader are counted by their types. Ranks share
// the batch and nothing else, so each holds all weights. Of several ranks the dearest counts.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "comm/mpi.h"
#include "model/grow.h"
#include "model/spec.h"
#include "trainer/stage.h"

namespace ortho {

struct RankBytes {
  std::int64_t weights = 0;
  std::int64_t gradients = 0;
  std::int64_t moments = 0;
  std::int64_t activations = 0;  // everything the model takes from its Arena
  std::int64_t batches = 0;      // of the loader
  std::int64_t sums = 0;         // beside the gradients while ranks add them up
  std::int64_t total() const {
    return weights + gradients + moments + activations + batches + sums;
  }
};

struct StageCost {
  std::int64_t context = 0;  // T
  std::int64_t windows = 0;  // of one rank and step
  std::int64_t weights = 0;
  Cost macs;  // multiply-adds of one forward pass, per token
  RankBytes bytes;
  SumCost gradient_sum;            // of one step
  SumCost small_sums;              // of one step: counts, loss terms, agreements
  double flops_per_step = 0;       // over all ranks
  double flops = 0;                // of the stage
  std::int64_t tokens = 0;         // of the stage, over all ranks
  std::int64_t growing_bytes = 0;  // while the model grows into this stage; 0: it does not
  std::optional<GrowPlan> growth;  // from the stage before
};

// Error(usage) with train's own words when a stage cannot run on `ranks`.
StageCost cost_of(const Stage& stage, const OptimizerConfig& optimizer, int ranks);

struct RunCost {
  RunPlan plan;
  std::vector<StageCost> stages;  // one each
  std::int64_t tokens = 0;
};

// The whole run, with the growths between its stages. Error(usage) when train would refuse it.
RunCost cost_of_run(const RunConfig& config, std::int64_t text_symbols, int ranks);

// How fast a rank is: measured (launch/rate.h) or given.
struct Rate {
  double flops_per_sec = 0;  // training FLOPs, as in flops_per_step
  double update_sec = 0;     // of the optimizer on all weights; 0: not counted
};

// Of one step without messages.
double step_sec(const StageCost& cost, int ranks, const Rate& rate);

}  // namespace ortho
