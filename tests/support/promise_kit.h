// The check of a growth's promise on one rank that holds both models.
#pragma once

#include "comm/local.h"
#include "trainer/promise.h"

namespace ortho {

template <class T>
PromiseCheck check_promise(const GrowPlan& plan, Params<T>& old_params, Params<T>& new_params,
                           Backend<T>& backend, std::uint64_t seed) {
  const auto world = make_single_channel();
  PromiseProbe<T> probe(plan, {}, {}, seed);
  probe.ask_old(old_params, backend, *world);
  return probe.ask_new(new_params, backend, *world);
}

}  // namespace ortho
