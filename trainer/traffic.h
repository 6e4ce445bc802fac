// Traffic: what the moves of a model send, planned and counted, by axis and way.
//
// Both group the moves alike, so a plan and the counters of a step can be compared to the byte.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "model/moves.h"
#include "trainer/metrics.h"

namespace ortho {

// Of each move as often as a training step runs it, without seconds; in the order of first use. On
// a node's own level a message counts as one, here as the pieces it would travel in.
std::vector<AxisSent> planned_exchange(const Moves<float>& moves);
// The same in all, by the nodes of the receivers; empty: all are on one.
SentByLevel planned_levels(const Moves<float>& moves, std::span<const int> nodes);
// Of all that the moves have done on this rank so far.
std::vector<AxisSent> counted_exchange(const Moves<float>& moves);
LevelTraffic counted_levels(const Moves<float>& moves);
// Two counts of the same moves and sums.
StepTraffic difference(const StepTraffic& later, const StepTraffic& earlier);

Sent total(const std::vector<AxisSent>& exchange);  // of all axes, both ways

// Puts the largest seconds of all ranks in place of this one's. Collective.
void take_slowest(Channel& channel, StepTraffic& traffic);

}  // namespace ortho
