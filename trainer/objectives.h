// Objectives: what a stage is trained on. A mix gives each of its steps to one objective alone.
//
// Which one is a function of the step's number: a round-robin in which objective i has had, after n
// steps, its share of them up to one step. Each objective reads the data in an order of its own.
#pragma once

#include <string>
#include <vector>

#include "dataio/window.h"
#include "trainer/config.h"

namespace ortho {

double weight_of(const ObjectiveConfig& mix, Objective objective);
// Those with a weight above 0, in the order of their numbers.
std::vector<Objective> objectives_of(const ObjectiveConfig& mix);
// Of step `step` of the stage, from 0.
Objective objective_of_step(const ObjectiveConfig& mix, std::int64_t step);

// How the stage answers a prompt: in one pass if it was trained to, else token by token, else by
// unmasking.
Objective answering_objective(const ObjectiveConfig& mix);
// Error(usage) listing the known names.
Objective objective_from_name(const std::string& name);

}  // namespace ortho
