#include "trainer/step.h"

#include <cmath>

#include "core/error.h"
#include "trainer/stop_flag.h"

namespace ortho {

TermSums sum_terms(Channel& channel, const TermSums& mine) {
  std::array<double, kTerms> nats = mine.nats;
  std::array<std::int64_t, 2 * kTerms + 1> counts{};
  for (size_t i = 0; i < kTerms; ++i) {
    counts[i] = mine.targets[i];
    counts[kTerms + i] = mine.hits[i];
  }
  counts.back() = mine.scored;
  channel.sum(std::span<double>(nats));
  channel.sum(std::span<std::int64_t>(counts));
  TermSums all;
  all.nats = nats;
  for (size_t i = 0; i < kTerms; ++i) {
    all.targets[i] = counts[i];
    all.hits[i] = counts[kTerms + i];
  }
  all.scored = counts.back();
  return all;
}

StepResult train_step(Channel& channel, Backend<float>& backend, Model<float>& model,
                      Params<float>& params, Replicas<float>& replicas, Optimizer<float>& optimizer,
                      const Batch& batch, const StepRule& rule) {
  std::array<std::int64_t, 2> counts = {0, stop_requested() ? 1 : 0};
  if (model.sharding().leads_replica())  // the others have the same batch
    for (const Target& target : batch.target) counts[0] += target.scored;
  channel.sum(std::span<std::int64_t>(counts));
  const double normaliser = static_cast<double>(std::max<std::int64_t>(counts[0], 1));

  DropoutKey dropout = rule.dropout;
  dropout.first_window = batch.first_window;
  params.zero_grads();
  StepResult result;
  result.sums = sum_terms(channel, model.train(batch, rule.weights, normaliser, dropout));
  replicas.sum_gradients();
  std::array<double, 1> squares = {own_sum_squares(backend, params)};
  channel.sum(std::span<double>(squares));
  result.grad_norm = std::sqrt(squares[0]);
  result.stop = counts[1] > 0;
  const double loss = result.sums.loss(rule.weights);
  if (!std::isfinite(loss) || !std::isfinite(result.grad_norm))
    fail(ErrorKind::internal,
         text("step ", rule.step + 1, " is not finite: loss ", loss, ", gradient norm ",
              result.grad_norm,
              ". Nothing was updated. Lower optimizer.lr or optimizer.clip, or go "
              "on from an earlier checkpoint."));
  optimizer.update(backend, params, rule.rate, clip_scale(result.grad_norm, rule.clip));
  replicas.spread_values();
  return result;
}

}  // namespace ortho
