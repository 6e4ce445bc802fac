// Promise: checks on a probe batch that a growth changed what it said it would, and nothing else.
//
// The probe is random tokens of every modality the old model reads, a function of the seed alone,
// so all ranks check the same and need not talk. The two models run one after the other, and of a
// long context one window: the check needs no more memory than a training step of the new model.
#pragma once

#include <cstdint>
#include <string>

#include "model/grow.h"
#include "model/params.h"
#include "tensor/backend.h"

namespace ortho {

constexpr std::int64_t kLongProbe = 4096;  // tokens of the new model's context, see probe_windows
constexpr std::int64_t kProbeRows = 1024;  // most tokens whose logits are compared

// Windows of the new model's length in the probe: 2, or 1 where they are longer than kLongProbe.
std::int64_t probe_windows(const GrowPlan& plan);

struct PromiseCheck {
  double largest_difference = 0;  // max |difference| of the promised logits
  double largest_logit = 0;       // max |logit| of the old model: what the tolerance is a share of
  bool kept = true;
};

template <class T>
PromiseCheck check_promise(const GrowPlan& plan, Params<T>& old_params, Params<T>& new_params,
                           Backend<T>& backend, std::uint64_t seed);

// "unchanged at the start of the window: largest difference 0 of logits up to 3.1, kept"
std::string check_text(const GrowPlan& plan, const PromiseCheck& check);

}  // namespace ortho
