// What a run says of itself: scores on held-out data, lines of metrics, progress. See trainer/loop.h.
#include <algorithm>
#include <cmath>

#include "comm/agree.h"
#include "core/error.h"
#include "core/log.h"
#include "trainer/stage_data.h"
#include "trainer/stage_work.h"

namespace ortho {
namespace {

constexpr std::int64_t kShrinkWindows = 256;  // that tell the loss before and after a shrink
constexpr double kShowEverySec = 10;          // progress as plain lines
constexpr double kShowEveryOnTerminalSec = 0.5;

std::vector<std::pair<std::string, double>> term_means(const TermSums& sums) {
  std::vector<std::pair<std::string, double>> means;
  for (size_t i = 0; i < kTerms; ++i)
    if (sums.targets[i] > 0)
      means.emplace_back(term_name(static_cast<Term>(i)), sums.mean(static_cast<Term>(i)));
  return means;
}

std::string loss_text(double loss, const std::vector<std::pair<std::string, double>>& terms) {
  std::string line = text(loss);
  for (const auto& [name, mean] : terms) line += text(", ", name, " ", mean);
  return line;
}

}  // namespace

std::string TrainingRun::held_out_loss(const Stage& stage) {
  const DataConfig& data = stage.config.data;
  const Sharding& sharding = state_->sharding;
  std::optional<Dataset> records;
  std::optional<HeldOut> windows;
  agree(channel_, [&] {
    LoaderOptions options = loader_options(stage, answering_objective(stage.config.objective),
                                           static_cast<std::uint64_t>(config_.seed), sharding);
    options.windows = sharding.windows();
    records.emplace(data.train, data.held_out);
    if (records->records() > 0) windows.emplace(*records, state_->vocabulary, options);
  });
  if (!windows || windows->samples() == 0) return "";
  Arena<float> arena;
  Model<float> model(state_->spec, sharding, state_->params, *backend_, arena, &channel_);
  const TermSums sums = evaluate_split(channel_, model, *windows, kShrinkWindows);
  return loss_text(sums.loss(term_weights(stage.config.loss)), term_means(sums));
}

void TrainingRun::write_step(const StageWork& work, Objective objective, const StepTrial& trial,
                             const StepTraffic& traffic, double rate) {
  const double now = now_sec(), elapsed = now - started_at_;
  StepMetrics metrics;
  metrics.step = state_->step;
  metrics.stage = work.stage.config.name;
  metrics.objective = objective_name(objective);
  metrics.loss = trial.loss;
  metrics.terms = term_means(trial.sums);
  metrics.rate = rate;
  metrics.grad_norm = trial.grad_norm;
  metrics.tokens = state_->tokens;
  metrics.seconds = state_->seconds;
  metrics.flops = flops_before(plan_, state_->step);
  metrics.tokens_per_sec = static_cast<double>(state_->tokens) / state_->seconds;
  metrics.traffic = traffic;
  metrics_.write(json_line(metrics));
  if (now - shown_at_ < (log_is_terminal() ? kShowEveryOnTerminalSec : kShowEverySec)) return;
  shown_at_ = now;
  Progress progress_now;
  progress_now.stage = metrics.stage;
  progress_now.stage_number = static_cast<size_t>(state_->stage) + 1;
  progress_now.stages = plan_.stages.size();
  progress_now.step = state_->step;
  progress_now.steps = plan_.steps;
  progress_now.flops_done = metrics.flops;
  progress_now.flops_total = plan_.flops;
  progress_now.flops_since_start = metrics.flops - flops_at_start_;
  progress_now.seconds_since_start = elapsed;
  progress_now.loss = metrics.loss;
  progress_now.rate = rate;
  progress_now.tokens_per_sec = metrics.tokens_per_sec;
  progress(progress_line(progress_now));
}

void TrainingRun::evaluate(StageWork& work) {
  if (work.held_out.records() == 0) return;
  for (const Objective objective : work.data.objectives()) evaluate(work, objective);
}

void TrainingRun::evaluate(StageWork& work, Objective objective) {
  const double began = now_sec();
  enter("evaluate");
  std::optional<HeldOut> split;
  agree(channel_,
        [&] { split.emplace(work.held_out, state_->vocabulary, work.data.options(objective)); });
  if (split->samples() == 0) return;
  const std::int64_t limit = config_.evaluate.windows;
  const TermSums sums = evaluate_split(channel_, *work.model, *split, limit, work.order());
  EvaluationMetrics metrics;
  metrics.step = state_->step;
  metrics.stage = work.stage.config.name;
  metrics.objective = objective_name(objective);
  metrics.split = split_name(work.stage.config.data.held_out);
  metrics.loss = sums.loss(term_weights(work.stage.config.loss));
  if (std::isfinite(metrics.loss) && objective == work.data.objectives().front()) {
    scored_at_ = state_->step;
    scored_ = metrics.loss;
  }
  metrics.terms = term_means(sums);
  metrics.windows = split->samples();
  if (limit > 0)  // whole batches
    metrics.windows =
        std::min(metrics.windows, count_windows(limit, work.stage.windows) * work.stage.windows);
  metrics.seconds = now_sec() - began;
  agree(channel_, [&] {
    if (channel_.rank() == 0) metrics_.write(json_line(metrics));
  });
  say(text("step ", state_->step, " of ", plan_.steps, ", stage ", metrics.stage, ": held-out ",
           objective == Objective::diffusion ? "diffusion bound " : "loss ",
           loss_text(metrics.loss, metrics.terms)));
}

}  // namespace ortho
