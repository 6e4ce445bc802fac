// The meshes of a run's stages on the ranks there are, and which stages those ranks may train.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/sharding.h"
#include "trainer/stage.h"

namespace ortho {

struct StageMesh {
  Cuts cuts;
  bool trains = true;  // false: the stage asks for another number of ranks (StageConfig::ranks)
};

// One for each stage of the plan. A stage that asks for other ranks gets the cheapest mesh on which
// these can hold its weights, to grow them into the next; with `any_ranks` all stages train on the
// ranks there are, on a chosen mesh where theirs is of another number.
// Error(usage) naming the stage when no mesh works.
std::vector<StageMesh> run_meshes(const RunPlan& plan, const RunConfig& config, int ranks,
                                  bool any_ranks);

// "batch 2", or "words batch 2, lines s_1 2" of the stages that train.
std::string meshes_text(const RunPlan& plan, const std::vector<StageMesh>& meshes);

// Ranks that a stage is trained on when `ranks` are offered.
int ranks_of_stage(const StageConfig& stage, int ranks);

}  // namespace ortho
