// Rate: how fast this machine trains a stage, measured through the Backend.
//
// A probe has the stage's shapes but one block and one pass; it runs forward and backward, once as
// a whole and once without the ends, so a block more or less is known too. Windows too large for a
// short look lose their outermost axes, and batches some windows: the shapes of the products stay.
#pragma once

#include <cstdint>
#include <functional>

#include "launch/cost.h"
#include "model/spec.h"

namespace ortho {

// What is measured in place of a stage: its model with one block and one pass, cut to fit.
struct Probe {
  ModelSpec spec;
  std::int64_t windows = 0;
};
Probe probe_of(const ModelSpec& spec, std::int64_t windows);

// Median seconds of `act`, called for about `seconds` after one call that warms the caches: other
// work on the machine disturbs some calls, not most.
double median_sec(double seconds, const std::function<void()>& act);

// Takes about `seconds`, on `threads` threads.
// One process is measured: ranks that share a memory are slower, unless all measure at once
// (launch/probe.h).
Rate measure_rate(const StageCost& cost, const ModelSpec& spec, const OptimizerConfig& optimizer,
                  std::int64_t threads, double seconds);

}  // namespace ortho
