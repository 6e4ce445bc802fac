// Cost: what a stage asks of each rank, as numbers. Pure: no MPI, no device, nothing allocated.
//
// Each stage runs on the mesh that train would choose; what the mesh costs a rank is measured by
// trainer/mesh_cost.h.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "comm/mpi.h"
#include "model/grow.h"
#include "model/spec.h"
#include "trainer/mesh_choice.h"
#include "trainer/stage.h"

namespace ortho {

struct StageCost {
  std::int64_t context = 0;  // T
  std::int64_t weights = 0;  // of the whole model
  Cost macs;                 // multiply-adds of one forward pass, per token
  MeshCost rank;
  SumCost small_sums;              // of one step: counts, loss terms, agreements
  double flops_per_step = 0;       // over all ranks
  double flops = 0;                // of the stage
  std::int64_t tokens = 0;         // of the stage, over all ranks
  std::int64_t growing_bytes = 0;  // while the model grows into this stage; 0: it does not
  std::optional<GrowPlan> growth;  // from the stage before
};

// Error(usage) with train's own words when a stage cannot run on this mesh.
StageCost cost_of(const Stage& stage, const OptimizerConfig& optimizer, const Cuts& cuts,
                  const Machine& machine = {});

struct RunCost {
  RunPlan plan;
  std::vector<StageCost> stages;   // one each
  std::vector<MeshChoice> meshes;  // one each
  std::int64_t tokens = 0;
  Machine machine;  // that it was counted for
};

// The whole run, with the growths between its stages. Error(usage) when train would refuse it.
RunCost cost_of_run(const RunConfig& config, std::int64_t text_symbols, int ranks);

// How fast a rank is: measured (launch/rate.h), given, or of a described machine.
struct Rate {
  double flops_per_sec = 0;  // training FLOPs, as in flops_per_step
  double update_sec = 0;     // of the optimizer on its own weights; 0: not counted
};

// Of a rank of this machine.
Rate described_rate(const StageCost& cost, int ranks);

// Of one step, its messages included: none of them is taken to hide behind computing.
double step_sec(const StageCost& cost, int ranks, const Rate& rate, const Machine& machine);
// Of its messages alone.
double message_sec(const StageCost& cost, int ranks, const Machine& machine);
// Of a checkpoint: weights and moments, on all ranks; 0 where the disk is not known.
std::int64_t checkpoint_bytes(const StageCost& cost, const OptimizerConfig& optimizer);

}  // namespace ortho
