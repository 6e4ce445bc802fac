// Sums over ranks of what a step counts.
#pragma once

#include <span>

#include "comm/channel.h"
#include "model/head.h"

namespace ortho {

// Sums of all ranks. Collective.
TermSums sum_terms(Channel& channel, const TermSums& mine);

// The terms of all leaves, in the tree's order. `mine`: of this rank's leaves. Collective.
TermSums sum_leaves(Channel& channel, std::span<const TermSums> mine);

// sqrt of the sum of squares of all ranks' values, each rounded to 2^-62 of the largest square: a
// sum of integers, so no order matters. Collective. NaN if any value is not finite.
double exact_norm(Channel& channel, std::span<const std::span<const float>> mine);

}  // namespace ortho
