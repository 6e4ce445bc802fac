#include "trainer/loop.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "comm/agree.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "dataio/media/utf8.h"
#include "trainer/checkpoint.h"
#include "trainer/density.h"
#include "trainer/grow_run.h"
#include "trainer/mesh_choice.h"
#include "trainer/partial.h"
#include "trainer/program.h"
#include "trainer/resume.h"
#include "trainer/schedule.h"
#include "trainer/stage_data.h"
#include "trainer/streams.h"
#include "trainer/traffic.h"

namespace ortho {
namespace {

constexpr std::int64_t kShrinkWindows = 256;  // that tell the loss before and after a shrink
constexpr double kShowEverySec = 10;          // progress as plain lines
constexpr double kShowEveryOnTerminalSec = 0.5;

double now_sec() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

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

TermWeights term_weights(const LossConfig& loss) {
  return {{loss.modality, loss.text, loss.pixel, loss.audio, loss.place, loss.item}};
}

// Of all steps of the stage so far, on this rank.
StepTraffic counted_traffic(const Model<float>& model, const Replicas<float>& replicas) {
  return {counted_exchange(model.moves()), counted_levels(model.moves()), replicas.sent()};
}

bool is_due(std::int64_t every, std::int64_t step) { return every > 0 && step % every == 0; }

}  // namespace

struct TrainingRun::StageWork {
  // What one rank alone can fail at.
  StageWork(TrainingRun& run, const Stage& planned)
      : stage(planned),
        sharding(run.sharding_of(planned)),
        held_out(planned.config.data.train, planned.config.data.held_out),
        data(planned, static_cast<std::uint64_t>(run.config_.seed), sharding, *run.state_),
        optimizer(run.config_.optimizer, run.state_->params, run.state_->optimizer) {
    if (stage.fixed_order) tree.emplace(run.state_->params.size(), kLeaves / sharding.replicas());
  }

  SumOrder order() const { return stage.fixed_order ? SumOrder::tree : SumOrder::ranks; }

  // The model, whose ranks compare their exchanges. Collective.
  void build(TrainingRun& run) {
    require_same(run.channel_, text("the data of stage ", stage.config.name), data.identity());
    replicas.emplace(run.channel_, run.state_->params, order());
    model.emplace(stage.config.model, sharding, run.state_->params, *run.backend_, arena,
                  &run.channel_);
  }

  const Stage stage;  // a copy: the plan is made anew when the stage ends
  Sharding sharding;
  Dataset held_out;
  Streams data;
  Optimizer<float> optimizer;
  Arena<float> arena;
  std::optional<TreeSum<float>> tree;
  std::optional<Replicas<float>> replicas;
  std::optional<Model<float>> model;
};

TrainingRun::TrainingRun(const RunConfig& config, Channel& channel, const StartFacts& facts)
    : config_(config),
      channel_(channel),
      backend_(make_cpu_backend<float>(static_cast<int>(config.threads))),
      metrics_(config.out + "/metrics.jsonl"),
      checkpoints_(config.out + "/checkpoints"),
      born_at_(now_sec()),
      status_(next_status(config.out, facts.attempt, facts.spent_sec)) {
  spent_before_sec_ = status_.spent_sec;
  check_ranks();
  const RunPlan plan = plan_run(config_, vocabulary_.size());
  meshes_ = run_meshes(plan, config_, channel_.ranks(), facts.any_ranks);
  say("mesh: " + meshes_text(plan, meshes_));
  agree(channel, [&] {
    if (channel.rank() != 0) return;
    make_folder(checkpoints_);
  });
  start_or_resume();
}

TrainingRun::~TrainingRun() = default;

void TrainingRun::check_ranks() {
  std::string program, data;
  agree(channel_, [&] { program = program_text(); });
  require_same(channel_, "the program", program);
  require_same(channel_, "the run's config", config_text(config_));
  agree(channel_, [&] {
    vocabulary_ = run_vocabulary(config_);
    data = data_content(config_);
  });
  require_same(channel_, "the data", data);
  require_same(channel_, "the data's vocabulary", list_text(vocabulary_.code_points()));
  std::string words;
  for (const std::u32string& word : vocabulary_.words.words()) words += encode_utf8(word) + '\n';
  require_same(channel_, "the data's words", words);
}

void TrainingRun::start_or_resume() {
  const StageSharding sharding = [this](const Stage& stage) { return sharding_of(stage); };
  state_ = resume_run(channel_, checkpoints_, config_, vocabulary_, sharding);
  if (state_ == nullptr) {
    plan_ = plan_run(config_, vocabulary_.size());
    check_growths(plan_);
    agree(channel_, [&] { state_ = fresh_run(config_, plan_, vocabulary_, sharding); });
    fit_density(channel_, *state_, static_cast<std::uint64_t>(config_.seed), Fit::both);
    say(text("starts: ", plan_.stages.size(), " stages, ", plan_.steps, " steps, ",
             count_weights(param_specs(state_->spec)), " weights on ", channel_.ranks(),
             channel_.ranks() == 1 ? " rank" : " ranks"));
  } else {
    plan_ = plan_run(config_, state_->vocabulary.size(), state_->ended);
    check_growths(plan_, static_cast<size_t>(state_->stage));
  }
  agree(channel_, [&] {
    if (channel_.rank() != 0) return;
    metrics_.rewind(state_->step);
    write_file_durably(config_.out + "/run.yaml", config_text(config_));
  });
  grow_to(stage(), stage());  // when the data brought new symbols
  note_status(Ending::running, static_cast<size_t>(state_->stage));
}

Sharding TrainingRun::sharding_of(const Stage& stage) const {
  const auto& all = config_.stages;
  const auto declared = std::find_if(all.begin(), all.end(), [&](const StageConfig& other) {
    return other.name == stage.config.name;
  });
  const Cuts& cuts = meshes_[static_cast<size_t>(declared - all.begin())].cuts;
  return stage_sharding(stage, cuts, channel_.rank());
}

void TrainingRun::grow_to(const Stage& before, const Stage& stage) {
  enter("grow");
  const size_t growths = state_->growths.size();
  const auto loss = [&] {  // each model answers the windows of its own stage
    return held_out_loss(state_->spec == stage.config.model ? stage : before);
  };
  grow_run(channel_, *state_, stage.config.model, sharding_of(stage), config_.optimizer, *backend_,
           static_cast<std::uint64_t>(config_.seed), loss);
  if (state_->growths.size() == growths) return;
  agree(channel_, [&] {
    if (channel_.rank() != 0) return;
    JsonObject line;
    line.add("event", std::string("growth"));
    line.add("step", state_->step);
    line.add("what", state_->growths.back());
    metrics_.write(line);
  });
}

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

void TrainingRun::enter_stage(size_t index) {
  const Stage& before = stage();
  const Stage& next = plan_.stages[index];
  if (state_->saved.empty()) save();  // grown by new symbols, and no step since
  for (size_t i = 0; i < kObjectives; ++i) {
    Cursor& cursor = state_->cursors[i];
    if (!same_stream(before, next, static_cast<Objective>(i))) cursor = {cursor.epoch + 1, 0};
  }
  // Objectives that both stages have go on; what the others read makes the identity another one.
  if (before.config.objective != next.config.objective) state_->identity.clear();
  state_->stage = static_cast<std::int64_t>(index);
  state_->losses.clear();
  grow_to(before, next);
}

bool TrainingRun::go() {
  started_at_ = now_sec();
  // A config that shortened the stage may plan fewer steps than were done.
  flops_at_start_ = flops_before(plan_, std::min(state_->step, plan_.steps));
  while (true) {
    const auto index = static_cast<size_t>(state_->stage);
    const bool asked_to_stop = state_->ended.size() <= index && !run_stage(plan_.stages[index]);
    if (complete()) return end(Ending::complete, index), true;
    if (asked_to_stop) return end(Ending::stopped, index), false;
    if (!meshes_[index + 1].trains) return end(Ending::next_stage, index + 1), true;
    enter_stage(index + 1);
  }
}

bool TrainingRun::run_stage(const Stage& planned) {
  enter("start");
  REQUIRE(meshes_[static_cast<size_t>(state_->stage)].trains, "stage ", planned.config.name,
          " asks for ", planned.config.ranks, " ranks, not ", channel_.ranks(), ". Use mpirun -np ",
          planned.config.ranks, ", or orthotope run");
  std::unique_ptr<StageWork> work;
  agree(channel_, [&] { work = std::make_unique<StageWork>(*this, planned); });
  work->build(*this);
  state_->identity = work->data.identity();
  if (work->data.skipped() > 0)
    say(text(work->data.skipped(), " records do not fit the window and are left out"));
  const std::int64_t last = planned.first_step + planned.steps;
  bool over = state_->step >= last, stop = false;
  // What is due after a step is done even when asked to stop,
  // so that going on gives what never stopping had given.
  while (!over && !stop) {
    stop = !one_step(*work);
    const bool plateau = on_plateau(work->stage.config.until.loss_plateau, state_->losses);
    if (plateau)
      say(text("stage ", work->stage.config.name, " ends at step ", state_->step,
               ": its loss is on a plateau"));
    over = plateau || state_->step >= last;
    if (over) break;
    if (is_due(config_.evaluate.every, state_->step)) evaluate(*work);
    if (stop || is_due(config_.checkpoint.every, state_->step)) save();
  }
  if (over) end_stage(*work);
  if (stop) say(text("asked to stop: saved at step ", state_->step));
  return !stop;
}

void TrainingRun::end_stage(StageWork& work) {
  evaluate(work);
  state_->ended.push_back(state_->step - work.stage.first_step);
  save();
  plan_ = plan_run(config_, state_->vocabulary.size(), state_->ended);
}

bool TrainingRun::one_step(StageWork& work) {
  const double began = now_sec();
  enter("step");
  const Objective objective =
      objective_of_step(work.stage.config.objective, state_->step - work.stage.first_step);
  std::optional<Batch> batch;
  agree(channel_, [&] { batch = work.data.next(objective); });
  const SchedulePoint point = schedule_point(config_.optimizer, plan_, state_->step);
  StepRule rule;
  rule.weights = term_weights(work.stage.config.loss);
  rule.dropout = {work.stage.config.model.dropout, static_cast<std::uint64_t>(config_.seed),
                  static_cast<std::uint64_t>(state_->step), 0};
  rule.rate = learning_rate(config_.optimizer, point);
  rule.clip = config_.optimizer.clip;
  rule.step = state_->step;
  set_trained(trained_parts(work.stage.config.train, work.stage.config.model, rule.dropout.seed,
                            state_->step),
              state_->params);
  const StepTraffic before = counted_traffic(*work.model, *work.replicas);
  const StepParts parts = {channel_,
                           *backend_,
                           *work.model,
                           state_->params,
                           *work.replicas,
                           work.optimizer,
                           work.tree ? &*work.tree : nullptr};
  const StepResult result = train_step(parts, *batch, rule);
  StepTraffic traffic = difference(counted_traffic(*work.model, *work.replicas), before);
  take_slowest(channel_, traffic);
  state_->step += 1;
  state_->saved.clear();
  regrow();
  state_->cursors[static_cast<size_t>(objective)] = work.data.cursor(objective);
  state_->tokens += work.stage.tokens;
  state_->seconds += now_sec() - began;
  const double loss = result.sums.loss(rule.weights);
  const std::int64_t over = work.stage.config.until.loss_plateau.over;
  if (over > 0) {
    state_->losses.push_back(loss);
    if (static_cast<std::int64_t>(state_->losses.size()) > 2 * over)
      state_->losses.erase(state_->losses.begin());
  }
  agree(channel_, [&] {
    if (channel_.rank() == 0) write_step(work, objective, result, traffic, rule.rate);
  });
  return !result.stop;
}

void TrainingRun::regrow() {
  const RegrowConfig& rule = config_.regrow;
  const double last = rule.until * static_cast<double>(plan_.steps);
  if (is_due(rule.every, state_->step) && static_cast<double>(state_->step) <= last)
    exchange_connections(channel_, *state_, static_cast<std::uint64_t>(config_.seed), rule.share);
}

void TrainingRun::write_step(const StageWork& work, Objective objective, const StepResult& result,
                             const StepTraffic& traffic, double rate) {
  const double now = now_sec(), elapsed = now - started_at_;
  StepMetrics metrics;
  metrics.step = state_->step;
  metrics.stage = work.stage.config.name;
  metrics.objective = objective_name(objective);
  metrics.loss = result.sums.loss(term_weights(work.stage.config.loss));
  metrics.terms = term_means(result.sums);
  metrics.rate = rate;
  metrics.grad_norm = result.grad_norm;
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

void TrainingRun::save() {
  enter("save");
  save_checkpoint(channel_, checkpoints_, *state_, config_, config_.checkpoint.keep);
  note_status(Ending::running, static_cast<size_t>(state_->stage));
}

}  // namespace ortho
