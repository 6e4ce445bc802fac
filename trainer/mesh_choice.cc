#include "trainer/mesh_choice.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "core/error.h"

namespace ortho {
namespace {

constexpr size_t kMostReasons = 3, kMostNearest = 3;

std::string ranks_text(int ranks) { return text(ranks, ranks == 1 ? " rank" : " ranks"); }

int ranks_of(const Cuts& cuts) { return mesh_of(cuts).ranks(); }

size_t cut_axes(const Cuts& cuts) { return mesh_of(cuts).axes().size(); }

// Fewer cut axes, then more ranks along the batch, then along outer axes.
bool simpler(const Cuts& a, const Cuts& b) {
  const auto key = [](const Cuts& cuts) {
    std::vector<int> tokens;
    for (const int ranks : cuts.tokens) tokens.push_back(-ranks);
    return std::tuple(cut_axes(cuts), -cuts.batch, tokens, cuts.channels);
  };
  return key(a) < key(b);
}

// Appends to `all` every way to share `ranks` between the token axes from `axis` on and the
// channels.
void share(const ModelSpec& spec, int ranks, size_t axis, Cuts& cuts, std::vector<Cuts>& all) {
  if (axis == spec.tokens.size()) {
    cuts.channels = ranks;
    if (ranks <= spec.channels) all.push_back(cuts);
    return;
  }
  for (int part = 1; part <= ranks && part <= spec.tokens[axis]; ++part) {
    if (ranks % part != 0) continue;
    cuts.tokens[axis] = part;
    share(spec, ranks / part, axis + 1, cuts, all);
  }
}

// Why `other`, which works, comes after `best`.
std::string reason_against(const RankedMesh& best, const RankedMesh& other) {
  const MeshCost &a = best.cost, &b = other.cost;
  if (a.sec() == b.sec()) {
    if (cut_axes(other.cuts) > cut_axes(best.cuts)) return "as fast, but cuts more axes";
    return other.cuts.batch < best.cuts.batch ? "as fast, but cuts the batch less"
                                              : "as fast, but cuts an axis further inside";
  }
  const double computing = b.compute_sec - a.compute_sec, sending = b.message_sec - a.message_sec;
  if (computing > sending)
    return text("computes ", sec_text(computing), " longer: its parts are less equal");
  return text("its messages take ", sec_text(sending), " longer");
}

std::string reasons_text(const std::vector<RefusedMesh>& refused) {
  std::string line;
  for (size_t i = 0; i < std::min(refused.size(), kMostReasons); ++i)
    line += text(i == 0 ? "" : "; ", cuts_text(refused[i].cuts), ": ", refused[i].reason);
  if (refused.size() > kMostReasons)
    line += text("; ", refused.size() - kMostReasons, " others do not work either");
  return line;
}

Cuts named_cuts(const MeshConfig& mesh) {
  Cuts cuts;
  cuts.batch = static_cast<int>(std::max<std::int64_t>(1, mesh.batch));
  for (const std::int64_t ranks : mesh.tokens) cuts.tokens.push_back(static_cast<int>(ranks));
  cuts.channels = static_cast<int>(mesh.channels);
  return cuts;
}

// `mesh: auto`, or as much as that.
bool is_auto(const MeshConfig& mesh) { return mesh.batch == 0 && cut_axes(named_cuts(mesh)) == 0; }

// How far two meshes are from each other: 1 for each axis with twice or half the ranks.
double distance(const Cuts& a, const Cuts& b) {
  const auto between = [](int m, int n) { return std::abs(std::log2(double(m) / n)); };
  const auto along = [](const Cuts& cuts, size_t axis) {
    return axis < cuts.tokens.size() ? cuts.tokens[axis] : 1;
  };
  double sum = between(a.batch, b.batch) + between(a.channels, b.channels);
  for (size_t axis = 0; axis < std::max(a.tokens.size(), b.tokens.size()); ++axis)
    sum += between(along(a, axis), along(b, axis));
  return sum;
}

// "Meshes of 4 ranks that work: batch 4, batch 2 x s_1 2"
std::string nearest_text(const ModelSpec& spec, const Cuts& wanted, int ranks,
                         const CostOf& cost_of) {
  std::vector<Cuts> candidates = all_cuts(spec, ranks);
  std::stable_sort(candidates.begin(), candidates.end(), [&](const Cuts& a, const Cuts& b) {
    return distance(a, wanted) < distance(b, wanted);
  });
  std::string line;
  size_t found = 0;
  for (const Cuts& cuts : candidates) {
    if (found == kMostNearest) break;
    try {
      cost_of(cuts);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::usage) throw;
      continue;
    }
    line += text(found++ == 0 ? "" : ", ", cuts_text(cuts));
  }
  return found == 0 ? text("No mesh of ", ranks_text(ranks), " works")
                    : text("Meshes of ", ranks_text(ranks), " that work: ", line);
}

RankedMesh named_mesh(const Stage& stage, int ranks, const CostOf& cost_of) {
  const Cuts cuts = named_cuts(stage.config.mesh);
  const ModelSpec& spec = stage.config.model;
  const std::string where = text("stage ", stage.config.name, ", mesh ", cuts_text(cuts), ": ");
  if (ranks_of(cuts) != ranks)
    fail(ErrorKind::usage, text(where, "it is of ", ranks_text(ranks_of(cuts)), ", not ",
                                ranks_text(ranks), ". Use mpirun -np ", ranks_of(cuts),
                                ", or mesh: auto. ", nearest_text(spec, cuts, ranks, cost_of)));
  try {
    return {cuts, cost_of(cuts), ""};
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::usage) throw;
    fail(ErrorKind::usage,
         text(where, error.reason(), ". ", nearest_text(spec, cuts, ranks, cost_of)));
  }
}

}  // namespace

std::vector<Cuts> all_cuts(const ModelSpec& spec, int ranks) {
  ASSERT(ranks >= 1, ranks, " ranks");
  std::vector<Cuts> all;
  Cuts cuts;
  cuts.tokens.resize(spec.tokens.size());
  for (cuts.batch = 1; cuts.batch <= ranks; ++cuts.batch)
    if (ranks % cuts.batch == 0) share(spec, ranks / cuts.batch, 0, cuts, all);
  std::sort(all.begin(), all.end(), simpler);
  return all;
}

MeshChoice rank_meshes(const std::vector<Cuts>& candidates, const CostOf& cost_of,
                       std::int64_t memory) {
  MeshChoice choice;
  size_t compared = 0;
  for (const Cuts& cuts : candidates) {
    if (compared == kMostCompared) {
      ++choice.left_out;
      continue;
    }
    try {
      RankedMesh mesh{cuts, cost_of(cuts), ""};
      ++compared;
      const std::int64_t bytes = mesh.cost.bytes.total();
      if (memory > 0 && bytes > memory)
        choice.refused.push_back(
            {cuts, text("needs ", bytes, " bytes a rank, mesh.memory allows ", memory)});
      else
        choice.meshes.push_back(std::move(mesh));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::usage) throw;
      choice.refused.push_back({cuts, error.reason()});
    }
  }
  // Stable: equally fast ones stay in the order of all_cuts.
  std::stable_sort(
      choice.meshes.begin(), choice.meshes.end(),
      [](const RankedMesh& a, const RankedMesh& b) { return a.cost.sec() < b.cost.sec(); });
  for (size_t i = 1; i < choice.meshes.size(); ++i)
    choice.meshes[i].reason = reason_against(choice.meshes[0], choice.meshes[i]);
  return choice;
}

MeshChoice choose_mesh(const Stage& stage, const RunConfig& run, int ranks) {
  const bool behind = run.checkpoint.behind && run.checkpoint.every > 0;
  const CostOf cost_of = [&](const Cuts& cuts) {
    MeshCost cost = mesh_cost(stage, run.optimizer, cuts);
    if (behind)  // weights and moments that the rank owns (trainer/snapshot.h)
      cost.bytes.copy = cost.own_weights * static_cast<std::int64_t>(sizeof(float)) *
                        (1 + moments_of(run.optimizer));
    return cost;
  };
  if (!is_auto(stage.config.mesh)) {
    MeshChoice choice;
    choice.named = true;
    choice.meshes.push_back(named_mesh(stage, ranks, cost_of));
    return choice;
  }
  MeshChoice choice = rank_meshes(all_cuts(stage.config.model, ranks), cost_of, run.ranks.memory);
  if (choice.meshes.empty())
    fail(ErrorKind::usage,
         text("stage ", stage.config.name, ": no mesh of ", ranks, ranks == 1 ? " rank" : " ranks",
              " works. ", reasons_text(choice.refused)));
  return choice;
}

std::string cuts_text(const Cuts& cuts) { return mesh_text(mesh_of(cuts)); }

}  // namespace ortho
