#include "trainer/run_meshes.h"

#include <set>

#include "core/error.h"
#include "trainer/mesh_choice.h"

namespace ortho {
namespace {

Cuts chosen_cuts(Stage stage, const RunConfig& config, int ranks) {
  stage.config.mesh = {};
  return choose_mesh(stage, config, ranks).best().cuts;
}

Cuts fitting_cuts(const Stage& stage, const RunConfig& config, int ranks) {
  try {
    return choose_mesh(stage, config, ranks).best().cuts;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::usage) throw;
    return chosen_cuts(stage, config, ranks);
  }
}

}  // namespace

int ranks_of_stage(const StageConfig& stage, int ranks) {
  return stage.ranks > 0 ? static_cast<int>(stage.ranks) : ranks;
}

std::vector<StageMesh> run_meshes(const RunPlan& plan, const RunConfig& config, int ranks,
                                  bool any_ranks) {
  const auto trains = [&](size_t i) {
    return any_ranks || ranks_of_stage(plan.stages[i].config, ranks) == ranks;
  };
  std::vector<StageMesh> meshes;
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    const Stage& stage = plan.stages[i];
    StageMesh mesh{{}, trains(i)};
    if (mesh.trains && any_ranks)
      mesh.cuts = fitting_cuts(stage, config, ranks);
    else if (mesh.trains)
      mesh.cuts = choose_mesh(stage, config, ranks).best().cuts;
    else if (i + 1 < plan.stages.size() && trains(i + 1))  // its weights are held to grow
      mesh.cuts = chosen_cuts(stage, config, ranks);
    meshes.push_back(mesh);
  }
  return meshes;
}

std::string meshes_text(const RunPlan& plan, const std::vector<StageMesh>& meshes) {
  std::string line, last;
  std::set<std::string> distinct;
  for (size_t i = 0; i < meshes.size(); ++i) {
    if (!meshes[i].trains) continue;
    last = cuts_text(meshes[i].cuts);
    distinct.insert(last);
    line += text(line.empty() ? "" : ", ", plan.stages[i].config.name, ' ', last);
  }
  return distinct.size() == 1 ? last : line;
}

}  // namespace ortho
