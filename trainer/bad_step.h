// Bad step: why a step's loss or gradient is not finite, or a spike.
//
// The weights have not been touched, so the step is tried again:
//   other bits       hardware; the ranks whose own numbers differ are named
//   the same bits    each window is scored alone: data if at most half of them are bad, else
//                    divergence: the weights are the trouble, whatever they are shown
// Ranks that exchange activations pass a wrong number on: then several are named.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "trainer/spike.h"
#include "trainer/step.h"

namespace ortho {

enum class Cause { hardware, data, divergence };
std::string cause_name(Cause cause);  // "hardware"

struct BadStep {
  std::string what;  // "loss is not finite: …"
  Cause cause = Cause::divergence;
  std::vector<std::string> ranks;    // hardware: "rank 1 on node-b"
  std::vector<std::string> windows;  // data: where the bad ones come from
  std::int64_t bad_windows = 0, all_windows = 0;
  // Hardware: the second trial, if nothing was wrong with it; its gradients are in Params.
  std::optional<StepTrial> good;
};

// What a trial is judged by.
struct StepJudge {
  const StepHistory& history;
  SpikeRule rule;
  // What is wrong, in words; empty: nothing. The same on all ranks.
  std::string fault(const StepTrial& trial) const;
};

// Finds the cause. `names` gives where each of this rank's windows comes from. Collective.
BadStep examine_step(const StepParts& parts, const Batch& batch, const StepRule& rule,
                     double normaliser, const StepJudge& judge, const StepTrial& first,
                     const std::function<std::vector<std::string>()>& names);

// One sentence about what was found, for the log and for the error.
std::string bad_step_text(std::int64_t step, const BadStep& bad);

}  // namespace ortho
