#include "trainer/objectives.h"

#include <cmath>

#include "core/error.h"

namespace ortho {
namespace {

constexpr Objective kAll[] = {Objective::next_token, Objective::one_shot, Objective::diffusion};
static_assert(std::size(kAll) == kObjectives);

// How many of the first n steps are the first objective's, whose share of all is `share`.
std::int64_t steps_of_first(std::int64_t n, double share) {
  return static_cast<std::int64_t>(std::ceil(static_cast<double>(n) * share));
}

}  // namespace

double weight_of(const ObjectiveConfig& mix, Objective objective) {
  if (objective == Objective::next_token) return mix.next_token;
  return objective == Objective::one_shot ? mix.one_shot : mix.diffusion;
}

std::vector<Objective> objectives_of(const ObjectiveConfig& mix) {
  std::vector<Objective> trained;
  for (const Objective objective : kAll)
    if (weight_of(mix, objective) > 0) trained.push_back(objective);
  return trained;
}

Objective objective_of_step(const ObjectiveConfig& mix, std::int64_t step) {
  const std::vector<Objective> trained = objectives_of(mix);
  ASSERT(!trained.empty() && step >= 0, "step ", step, " of ", trained.size(), " objectives");
  double rest = 0;  // weights of the objectives not asked yet
  for (const Objective objective : trained) rest += weight_of(mix, objective);
  for (const Objective objective : trained) {
    if (objective == trained.back()) break;
    const double share = weight_of(mix, objective) / rest;
    const std::int64_t before = steps_of_first(step, share);
    if (steps_of_first(step + 1, share) > before) return objective;
    step -= before;  // its number among the steps of the others
    rest -= weight_of(mix, objective);
  }
  return trained.back();
}

Objective answering_objective(const ObjectiveConfig& mix) {
  if (mix.one_shot > 0) return Objective::one_shot;
  return mix.next_token > 0 ? Objective::next_token : Objective::diffusion;
}

Objective objective_from_name(const std::string& name) {
  for (const Objective objective : kAll)
    if (name == objective_name(objective)) return objective;
  fail(ErrorKind::usage,
       text("unknown objective '", name, "'; known: next_token, one_shot, diffusion"));
}

}  // namespace ortho
