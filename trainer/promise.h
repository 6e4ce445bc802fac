// Promise: checks on a probe batch that a growth changed what it said it would, and nothing else.
//
// The probe is random tokens of every modality the old model reads,
// a function of the seed alone, so all ranks check the same and need not talk.
#pragma once

#include <cstdint>
#include <string>

#include "model/grow.h"
#include "model/params.h"
#include "tensor/backend.h"

namespace ortho {

constexpr std::int64_t kProbeWindows = 2;  // of the new model's length

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
