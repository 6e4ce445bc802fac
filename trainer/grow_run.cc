#include "trainer/grow_run.h"

#include "core/error.h"
#include "core/log.h"
#include "model/grow.h"
#include "trainer/promise.h"

namespace ortho {
namespace {

OptimizerState<float> grow_optimizer(const GrowPlan& plan, const OptimizerState<float>& old_state,
                                     std::int64_t weights) {
  OptimizerState<float> state;
  state.first = Buffer<float>(weights, "the optimizer's first moments");
  grow_moments<float>(plan, old_state.first.span(), state.first.span());
  if (old_state.second.size() > 0) {
    state.second = Buffer<float>(weights, "the optimizer's second moments");
    grow_moments<float>(plan, old_state.second.span(), state.second.span());
  }
  state.regions = grow_steps(plan, old_state.regions);
  return state;
}

}  // namespace

void grow_run(RunState& state, const ModelSpec& to, Backend<float>& backend, std::uint64_t seed) {
  const GrowPlan plan = plan_growth(state.spec, to);
  Params<float> grown(param_specs(to));
  apply_growth(plan, state.params, grown, seed);
  const PromiseCheck check = check_promise(plan, state.params, grown, backend, seed);
  std::string line = text("step ", state.step, ": ");
  for (const std::string& difference : plan.lines) line += difference + "; ";
  line += check_text(plan, check);
  say("grown at " + line);
  if (!check.kept) fail(ErrorKind::internal, "the growth broke its promise at " + line);
  state.optimizer = grow_optimizer(plan, state.optimizer, grown.size());
  state.params = std::move(grown);
  state.spec = to;
  state.growths.push_back(line);
}

}  // namespace ortho
