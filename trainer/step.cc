#include "trainer/step.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "core/error.h"
#include "trainer/density.h"
#include "trainer/stop_flag.h"
#include "trainer/sums.h"

namespace ortho {
namespace {

// The sum of all words: one that differs is always seen, and memory is all it costs.
std::uint64_t print_of(std::span<const float> values) {
  std::uint64_t print = 0;
  for (const float value : values) print += std::bit_cast<std::uint32_t>(value);
  return print;
}

std::uint64_t print_of(const TermSums& sums) {
  std::uint64_t print = 0;
  for (const double nats : sums.nats) print = 31 * print + std::bit_cast<std::uint64_t>(nats);
  return print;
}

// Leaves each rank's gradients in Params, not yet summed over replicas; returns the sums of all.
TermSums differentiate(const StepParts& parts, const Batch& batch, const StepRule& rule,
                       double normaliser, std::uint64_t& print) {
  DropoutKey dropout = rule.dropout;
  const auto run = [&](const Batch& windows) {
    dropout.first_window = windows.first_window;
    parts.params.zero_grads();
    return parts.model.train(windows, rule.weights, normaliser, dropout);
  };
  if (parts.tree == nullptr) {
    const TermSums mine = run(batch);
    print = print_of(mine);
    return sum_terms(parts.channel, mine);
  }
  const std::int64_t leaf = parts.model.nodes().batch;
  std::vector<TermSums> sums;
  parts.tree->restart();
  for (std::int64_t lo = 0; lo < batch.windows; lo += leaf) {
    sums.push_back(run(windows_of(batch, lo, lo + leaf)));
    print += print_of(sums.back());
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

StepStart start_step(const StepParts& parts, const Batch& batch, bool busy) {
  std::array<std::int64_t, 3> counts = {0, stop_requested() ? 1 : 0, busy ? 1 : 0};
  if (counts_targets(parts.model.sharding(), batch)) counts[0] = loss_divisor(batch);
  parts.channel.sum(std::span<std::int64_t>(counts));
  return {static_cast<double>(std::max<std::int64_t>(counts[0], 1)), counts[1] > 0, counts[2] > 0};
}

StepTrial try_step(const StepParts& parts, const Batch& batch, const StepRule& rule,
                   double normaliser) {
  StepTrial trial;
  trial.sums = differentiate(parts, batch, rule, normaliser, trial.print);
  if (parts.disturb) parts.disturb(parts.params.grads());
  trial.print += print_of(parts.params.grads());
  parts.replicas.sum_gradients();
  drop_closed_gradients(parts.params);
  trial.grad_norm = gradient_norm(parts);
  trial.loss = trial.sums.loss(rule.weights);
  return trial;
}

void take_step(const StepParts& parts, const StepRule& rule, const StepTrial& trial) {
  parts.optimizer.update(parts.backend, parts.params, rule.rate,
                         clip_scale(trial.grad_norm, rule.clip));
  parts.replicas.spread_values();
}

StepResult train_step(const StepParts& parts, const Batch& batch, const StepRule& rule) {
  const StepStart start = start_step(parts, batch);
  const StepTrial trial = try_step(parts, batch, rule, start.normaliser);
  if (!std::isfinite(trial.loss) || !std::isfinite(trial.grad_norm))
    fail(ErrorKind::internal, text("step ", rule.step + 1, " is not finite: loss ", trial.loss,
                                   ", gradient norm ", trial.grad_norm, ". Nothing was updated."));
  take_step(parts, rule, trial);
  return {trial.sums, trial.grad_norm, start.stop};
}

}  // namespace ortho
