#include "trainer/step.h"

#include <cmath>

#include "core/error.h"
#include "trainer/density.h"
#include "trainer/stop_flag.h"
#include "trainer/sums.h"

namespace ortho {
namespace {

// Leaves each rank's gradients in Params, not yet summed over replicas; returns the sums of all.
TermSums differentiate(const StepParts& parts, const Batch& batch, const StepRule& rule,
                       double normaliser) {
  DropoutKey dropout = rule.dropout;
  const auto run = [&](const Batch& windows) {
    dropout.first_window = windows.first_window;
    parts.params.zero_grads();
    return parts.model.train(windows, rule.weights, normaliser, dropout);
  };
  if (parts.tree == nullptr) return sum_terms(parts.channel, run(batch));
  const std::int64_t leaf = parts.model.nodes().batch;
  std::vector<TermSums> sums;
  parts.tree->restart();
  for (std::int64_t lo = 0; lo < batch.windows; lo += leaf) {
    sums.push_back(run(windows_of(batch, lo, lo + leaf)));
    parts.tree->add(parts.params.grads());
  }
  return sum_leaves(parts.channel, sums);
}

// Whether no other rank has the same batch, or this is the first of those who do.
bool counts_targets(const Sharding& sharding, const Batch& batch) {
  if (!batch.part) return sharding.leads_replica();
  return sharding.mesh().coordinate_along("channels", sharding.rank()) == 0;
}

// Of the gradient that the ranks' own parts make together.
double gradient_norm(const StepParts& parts) {
  if (parts.tree != nullptr) {
    std::vector<std::span<const float>> own;
    for (const ParamGroup& group : parts.params.groups())
      own.push_back(parts.params.grads().subspan(static_cast<size_t>(group.own.lo),
                                                 static_cast<size_t>(group.own.size())));
    return exact_norm(parts.channel, own);
  }
  std::array<double, 1> squares = {own_sum_squares(parts.backend, parts.params)};
  parts.channel.sum(std::span<double>(squares));
  return std::sqrt(squares[0]);
}

}  // namespace

StepResult train_step(const StepParts& parts, const Batch& batch, const StepRule& rule) {
  std::array<std::int64_t, 2> counts = {0, stop_requested() ? 1 : 0};
  if (counts_targets(parts.model.sharding(), batch)) counts[0] = loss_divisor(batch);
  parts.channel.sum(std::span<std::int64_t>(counts));
  const double normaliser = static_cast<double>(std::max<std::int64_t>(counts[0], 1));

  StepResult result;
  result.sums = differentiate(parts, batch, rule, normaliser);
  parts.replicas.sum_gradients();
  drop_closed_gradients(parts.params);
  result.grad_norm = gradient_norm(parts);
  result.stop = counts[1] > 0;
  const double loss = result.sums.loss(rule.weights);
  if (!std::isfinite(loss) || !std::isfinite(result.grad_norm))
    fail(ErrorKind::internal,
         text("step ", rule.step + 1, " is not finite: loss ", loss, ", gradient norm ",
              result.grad_norm,
              ". Nothing was updated. Lower optimizer.lr or optimizer.clip, or go "
              "on from an earlier checkpoint."));
  parts.optimizer.update(parts.backend, parts.params, rule.rate,
                         clip_scale(result.grad_norm, rule.clip));
  parts.replicas.spread_values();
  return result;
}

}  // namespace ortho
