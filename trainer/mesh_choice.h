// Mesh choice: along which axes a stage is cut: as its config says, or the cheapest of all ways.
//
// A pure function of stage and ranks, so every rank chooses alike and `plan` shows what `train`
// will do. Meshes that model or loader refuse drop out with their words; the others are ordered by
// the seconds of a step (trainer/mesh_cost.h), equally fast ones by fewer cut axes, then by more
// ranks along the batch.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "trainer/mesh_cost.h"

namespace ortho {

struct RankedMesh {
  Cuts cuts;
  MeshCost cost;
  std::string reason;  // why it is not the first; of the first ""
};

struct RefusedMesh {
  Cuts cuts;
  std::string reason;
};

struct MeshChoice {
  std::vector<RankedMesh> meshes;  // best first
  std::vector<RefusedMesh> refused;
  size_t left_out = 0;  // not looked at: there are too many
  bool named = false;   // by the config, so nothing was compared
  const RankedMesh& best() const { return meshes.front(); }
};

// All ways to cut the nodes into `ranks` parts, none larger than its axis but maybe the batch's,
// whose windows the loader counts. Fewer cut axes first, then more ranks along the batch. Where
// there are tens of thousands, of axes of one size the outer ones are cut first.
std::vector<Cuts> all_cuts(const ModelSpec& spec, int ranks);

using CostOf = std::function<MeshCost(const Cuts&)>;

constexpr size_t kMostCompared = 48;

// Of candidates in the order of all_cuts; only the first kMostCompared that work are compared. A
// mesh that needs more than `memory` bytes a rank is refused; 0: no limit. `meshes` may be empty.
MeshChoice rank_meshes(const std::vector<Cuts>& candidates, const CostOf& cost_of,
                       std::int64_t memory = 0);

// Of a planned stage. Error(usage) naming stage, mesh and what would work when the named mesh does
// not fit `ranks` or the stage, or when no mesh does.
MeshChoice choose_mesh(const Stage& stage, const RunConfig& run, int ranks);

std::string cuts_text(const Cuts& cuts);  // "batch 2 x s_1 2"

}  // namespace ortho
