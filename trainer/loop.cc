#include "trainer/loop.h"

#include <chrono>

#include "comm/agree.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "trainer/checkpoint.h"
#include "trainer/grow_run.h"
#include "trainer/resume.h"
#include "trainer/schedule.h"
#include "trainer/stage_data.h"

namespace ortho {
namespace {

constexpr double kShowEverySec = 10;  // progress as plain lines
constexpr double kShowEveryOnTerminalSec = 0.5;

double now_sec() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::vector<std::pair<std::string, double>> term_means(const TermSums& sums) {
  constexpr std::array<const char*, kTerms> kNames = {"modality", "text", "pixel", "audio"};
  std::vector<std::pair<std::string, double>> means;
  for (size_t i = 0; i < kTerms; ++i)
    if (sums.targets[i] > 0)
      means.emplace_back(kNames[i], sums.nats[i] / static_cast<double>(sums.targets[i]));
  return means;
}

TermWeights term_weights(const LossConfig& loss) {
  return {{loss.modality, loss.text, loss.pixel, loss.audio}};
}

}  // namespace

struct TrainingRun::StageWork {
  StageWork(TrainingRun& run, const Stage& stage_)
      : stage(stage_),
        options(loader_options(stage_, static_cast<std::uint64_t>(run.config_.seed),
                               run.channel_.rank(), run.channel_.ranks())),
        train(stage_.config.data.train, Split::train),
        held_out(stage_.config.data.train, static_cast<Split>(stage_.config.data.held_out)),
        loader(train, run.state_->vocabulary, options, run.state_->cursor),
        optimizer(run.config_.optimizer, run.state_->params, run.state_->optimizer),
        model(stage_.config.model, stage_.windows / run.channel_.ranks(), run.state_->params,
              *run.backend_, arena) {}
  const Stage& stage;
  LoaderOptions options;
  Dataset train, held_out;
  Loader loader;
  Optimizer<float> optimizer;
  Arena<float> arena;
  Model<float> model;
};

TrainingRun::TrainingRun(const RunConfig& config, Channel& channel)
    : config_(config),
      channel_(channel),
      backend_(make_cpu_backend<float>(static_cast<int>(config.threads))),
      metrics_(config.out + "/metrics.jsonl"),
      checkpoints_(config.out + "/checkpoints") {
  check_mesh(config.mesh, channel.ranks());
  require_same(channel, "the run's config", config_text(config));
  agree(channel, [&] { vocabulary_ = run_vocabulary(config_); });
  require_same(channel, "the data's vocabulary", list_text(vocabulary_.code_points()));
  agree(channel, [&] {
    if (channel.rank() != 0) return;
    make_folder(checkpoints_);
    write_file_durably(config_.out + "/run.yaml", config_text(config_));
  });
  start_or_resume();
}

TrainingRun::~TrainingRun() = default;

void TrainingRun::start_or_resume() {
  state_ = resume_run(channel_, checkpoints_, config_, vocabulary_);
  const bool fresh = state_ == nullptr;
  if (fresh) {
    plan_ = plan_run(config_, vocabulary_.size());
    state_ = fresh_run(config_, plan_, vocabulary_);
    say(text("starts: ", plan_.stages.size(), " stages, ", plan_.steps, " steps, ",
             state_->params.size(), " weights on ", channel_.ranks(),
             channel_.ranks() == 1 ? " rank" : " ranks"));
  } else {
    plan_ = plan_run(config_, state_->vocabulary.size(), state_->ended);
    if (state_->spec != stage().config.model)
      grow_to(stage().config.model);  // the data brought new symbols
  }
  agree(channel_, [&] {
    if (channel_.rank() == 0) metrics_.rewind(state_->step);
  });
}

void TrainingRun::grow_to(const ModelSpec& spec) {
  const size_t known = state_->growths.size();
  grow_run(*state_, spec, *backend_, static_cast<std::uint64_t>(config_.seed));
  if (channel_.rank() != 0 || state_->growths.size() == known) return;
  JsonObject line;
  line.add("event", std::string("growth"));
  line.add("step", state_->step);
  line.add("what", state_->growths.back());
  metrics_.write(line);
}

void TrainingRun::enter_stage(size_t index) {
  const Stage& before = stage();
  const Stage& next = plan_.stages[index];
  if (!same_stream(before, next)) state_->cursor = {state_->cursor.epoch + 1, 0};
  state_->stage = static_cast<std::int64_t>(index);
  state_->losses.clear();
  if (state_->spec != next.config.model) grow_to(next.config.model);
}

bool TrainingRun::go() {
  started_at_ = now_sec();
  flops_at_start_ = flops_before(plan_, state_->step);
  while (true) {
    const auto index = static_cast<size_t>(state_->stage);
    if (state_->ended.size() <= index) {
      const Ended how = run_stage(plan_.stages[index]);
      if (how == Ended::stopped) return false;
    }
    if (index + 1 == plan_.stages.size()) return true;
    enter_stage(index + 1);
  }
}

TrainingRun::Ended TrainingRun::run_stage(const Stage& planned) {
  std::unique_ptr<StageWork> work;
  agree(channel_, [&] { work = std::make_unique<StageWork>(*this, planned); });
  check_identity(
      channel_, *state_,
      data_identity(planned, static_cast<std::uint64_t>(config_.seed), work->loader.samples()));
  if (work->loader.skipped() > 0)
    say(text(work->loader.skipped(), " records do not fit the window and are left out"));
  const std::int64_t last = planned.first_step + planned.steps;
  Ended how = Ended::steps;
  while (state_->step < last && how == Ended::steps) {
    if (!one_step(*work)) {
      save(*work);
      say(text("asked to stop: saved at step ", state_->step));
      return Ended::stopped;
    }
    if (on_plateau(planned.config.until.loss_plateau, state_->losses)) how = Ended::plateau;
    const bool over = state_->step == last || how != Ended::steps;
    const std::int64_t every = config_.evaluate.every, save_every = config_.checkpoint.every;
    if (!over && every > 0 && state_->step % every == 0) evaluate(*work);
    if (!over && save_every > 0 && state_->step % save_every == 0) save(*work);
  }
  evaluate(*work);
  if (how == Ended::plateau)
    say(text("stage ", planned.config.name, " ends at step ", state_->step,
             ": its loss is on a plateau"));
  state_->ended.push_back(state_->step - planned.first_step);
  save(*work);
  work.reset();  // before the plan it refers to is made anew
  plan_ = plan_run(config_, state_->vocabulary.size(), state_->ended);
  return how;
}

bool TrainingRun::one_step(StageWork& work) {
  const double began = now_sec();
  std::optional<Batch> batch;
  agree(channel_, [&] { batch = work.loader.next(); });
  const SchedulePoint point = schedule_point(config_.optimizer, plan_, state_->step);
  StepRule rule;
  rule.weights = term_weights(work.stage.config.loss);
  rule.dropout = {work.stage.config.model.dropout, static_cast<std::uint64_t>(config_.seed),
                  static_cast<std::uint64_t>(state_->step), 0};
  rule.rate = learning_rate(config_.optimizer, point);
  rule.clip = config_.optimizer.clip;
  rule.step = state_->step;
  const StepResult result =
      train_step(channel_, *backend_, work.model, state_->params, work.optimizer, *batch, rule);
  state_->step += 1;
  state_->cursor = work.loader.cursor();
  state_->tokens += work.stage.tokens;
  state_->seconds += now_sec() - began;
  const double loss = result.sums.loss(rule.weights);
  const std::int64_t over = work.stage.config.until.loss_plateau.over;
  if (over > 0) {
    state_->losses.push_back(loss);
    if (static_cast<std::int64_t>(state_->losses.size()) > 2 * over)
      state_->losses.erase(state_->losses.begin());
  }
  after_step(work, result, rule.rate);
  return !result.stop;
}

void TrainingRun::after_step(StageWork& work, const StepResult& result, double rate) {
  if (channel_.rank() != 0) return;
  const double now = now_sec(), elapsed = now - started_at_;
  StepMetrics metrics;
  metrics.step = state_->step;
  metrics.stage = work.stage.config.name;
  metrics.loss = result.sums.loss(term_weights(work.stage.config.loss));
  metrics.terms = term_means(result.sums);
  metrics.rate = rate;
  metrics.grad_norm = result.grad_norm;
  metrics.tokens = state_->tokens;
  metrics.seconds = state_->seconds;
  metrics.flops = flops_before(plan_, state_->step);
  metrics.tokens_per_sec = static_cast<double>(state_->tokens) / state_->seconds;
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
  const double began = now_sec();
  if (work.held_out.records() == 0) return;
  HeldOut split(work.held_out, state_->vocabulary, work.options);
  TermSums sums;
  sums = evaluate_split(channel_, work.model, split, config_.evaluate.windows);
  if (channel_.rank() != 0) return;
  EvaluationMetrics metrics;
  metrics.step = state_->step;
  metrics.stage = work.stage.config.name;
  metrics.split = "held_out";
  metrics.loss = sums.loss(term_weights(work.stage.config.loss));
  metrics.terms = term_means(sums);
  metrics.windows = split.samples();
  metrics.seconds = now_sec() - began;
  metrics_.write(json_line(metrics));
  std::string line = text("step ", state_->step, " of ", plan_.steps, ", stage ", metrics.stage,
                          ": held-out loss ", metrics.loss);
  for (const auto& [name, mean] : metrics.terms) line += text(", ", name, " ", mean);
  say(line);
}

void TrainingRun::save(StageWork&) {
  save_checkpoint(channel_, checkpoints_, *state_, config_, config_.checkpoint.keep);
}

}  // namespace ortho
