// Spike: a loss or gradient norm far above those of the last steps.
//
//   spike   value > median + factor * spread,  spread = max(1.4826 MAD, 1 % of |median|)
//
// Median and MAD (median distance from the median) of the last `over` steps that were taken: half of
// them could be wild and move neither much. Steps that were not taken, so all that are not finite,
// never get in.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ortho {

// Of the steps that were taken, of one objective and stage; part of a RunState.
struct StepHistory {
  std::vector<double> losses, norms;
  bool operator==(const StepHistory&) const = default;
};

struct SpikeRule {
  double factor = 0;      // 0: nothing is a spike
  std::int64_t over = 0;  // steps; before so many were taken nothing is
};

// What is a spike, in words: "loss 9.1 where the last 64 steps had 2.3, give or take 0.05"; empty:
// nothing is.
std::string spike_text(const StepHistory& history, double loss, double norm, const SpikeRule& rule);

// The largest loss that is no spike; infinite when there is no rule yet.
double highest_loss(const StepHistory& history, const SpikeRule& rule);

void remember(StepHistory& history, double loss, double norm, const SpikeRule& rule);

}  // namespace ortho
