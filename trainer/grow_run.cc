#include "trainer/grow_run.h"

#include "comm/agree.h"
#include "core/error.h"
#include "core/log.h"
#include "model/grow.h"
#include "trainer/checkpoint.h"
#include "trainer/density.h"
#include "trainer/promise.h"
#include "trainer/stage.h"

namespace ortho {
namespace {

// Whether every rank holds the same part of every weight.
bool same_parts(const ModelSpec& spec, const Sharding& a, const Sharding& b) {
  if (!(a.cuts() == b.cuts())) return false;
  const std::vector<Layout> in_a = param_layouts(spec, a), in_b = param_layouts(spec, b);
  for (size_t i = 0; i < in_a.size(); ++i)
    if (in_a[i].cuts() != in_b[i].cuts()) return false;
  return true;
}

}  // namespace

void grow_run(Channel& channel, RunState& state, const ModelSpec& to, const Sharding& sharding,
              const OptimizerConfig& optimizer, Backend<float>& backend, std::uint64_t seed,
              const HeldOutLoss& loss) {
  const bool grown = grows(state.spec, to);
  if (!grown && same_parts(to, state.sharding, sharding)) {
    state.spec = to;
    state.sharding = sharding;
    return;
  }
  const std::string saved = state.saved;
  ASSERT(!saved.empty(), "the weights of step ", state.step, " are in no checkpoint");
  Kept kept;
  if (shrinks(state.spec, to)) agree(channel, [&] { kept = kept_of(saved, state.spec, to); });
  GrowPlan plan = plan_growth(state.spec, to, kept);
  loosen_for(state.sharding.cuts(), sharding.cuts(), plan.promise);
  const bool promises = plan.promise.kind != PromiseKind::none;
  PromiseProbe<float> probe(plan, state.sharding.cuts(), sharding.cuts(), seed);
  if (grown) probe.ask_old(state.params, backend, channel);
  const std::string before = grown && !promises && loss ? loss() : "";
  agree(channel, [&] { load_grown(saved, plan, optimizer, sharding, seed, state); });
  if (!grown) {
    state.saved = saved;
    say(text("step ", state.step, ": moved to the mesh ", mesh_text(sharding.mesh())));
    return;
  }
  fit_density(channel, state, seed, plan.to.density < plan.from.density ? Fit::both : Fit::open);
  const PromiseCheck check = probe.ask_new(state.params, backend, channel);
  std::string line = text("step ", state.step, ": ");
  for (const std::string& difference : plan.lines) line += difference + "; ";
  line += check_text(plan, check);
  if (!before.empty()) line += text(": held-out loss ", before, " before, ", loss(), " after");
  say((shrinks(plan.from, to) ? "changed at " : "grown at ") + line);
  if (!check.kept) fail(ErrorKind::internal, "the growth broke its promise at " + line);
  state.growths.push_back(line);
}

}  // namespace ortho
