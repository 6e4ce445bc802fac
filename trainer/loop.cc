#include "trainer/loop.h"

#include <algorithm>
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
#include "trainer/stage_work.h"
#include "trainer/traffic.h"

namespace ortho {
namespace {

// Of all steps of the stage so far, on this rank.
StepTraffic counted_traffic(const Model<float>& model, const Replicas<float>& replicas) {
  return {counted_exchange(model.moves()), counted_levels(model.moves()), replicas.sent()};
}

bool is_due(std::int64_t every, std::int64_t step) { return every > 0 && step % every == 0; }

}  // namespace

TrainingRun::TrainingRun(const RunConfig& config, Channel& channel, const StartFacts& facts)
    : config_(config),
      channel_(channel),
      backend_(make_cpu_backend<float>(static_cast<int>(config.threads))),
      metrics_(config.out + "/metrics.jsonl"),
      checkpoints_(config.out + "/checkpoints"),
      writer_(channel, checkpoints_, config.checkpoint),
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
  state_->history = {};
  state_->bad_steps = 0;
  grow_to(before, next);
}

bool TrainingRun::go() {
  started_at_ = now_sec();
  // A config that shortened the stage may plan fewer steps than were done.
  flops_at_start_ = flops_before(plan_, std::min(state_->step, plan_.steps));
  try {
    while (!complete()) {
      const auto index = static_cast<size_t>(state_->stage);
      const bool ended = state_->ended.size() > index;
      const After after = ended ? After::go_on : run_stage(plan_.stages[index]);
      if (after == After::stop)
        return end(complete() ? Ending::complete : Ending::stopped, index), complete();
      if (after == After::rewind) rewind();
      if (after != After::go_on || complete()) continue;
      if (!meshes_[index + 1].trains) return end(Ending::next_stage, index + 1), true;
      enter_stage(index + 1);
    }
    end(Ending::complete, plan_.stages.size() - 1);
  } catch (const SharedError&) {
    writer_.give_up();  // what was saved behind the training is not lost by what failed in it
    throw;
  }
  return true;
}

TrainingRun::After TrainingRun::run_stage(const Stage& planned) {
  enter("start");
  REQUIRE(meshes_[static_cast<size_t>(state_->stage)].trains, "stage ", planned.config.name,
          " asks for ", planned.config.ranks, " ranks, not ", channel_.ranks(), ". Use mpirun -np ",
          planned.config.ranks, ", or orthotope run");
  resume_behind_bad_step();
  std::unique_ptr<StageWork> work;
  agree(channel_, [&] {
    work = std::make_unique<StageWork>(*this, planned);
    if (config_.checkpoint.every > 0) writer_.make_room(*state_);
  });
  work->build(*this);
  state_->identity = work->data.identity();
  if (work->data.skipped() > 0)
    say(text(work->data.skipped(), " records do not fit the window and are left out"));
  const std::int64_t last = planned.first_step + planned.steps;
  bool over = state_->step >= last, stop = false;
  // What is due after a step is done even when asked to stop,
  // so that going on gives what never stopping had given.
  while (!over && !stop) {
    const After after = one_step(*work);
    if (after == After::rewind) return after;
    if (after == After::again) continue;
    stop = after == After::stop;
    const bool plateau = on_plateau(work->stage.config.until.loss_plateau, state_->losses);
    if (plateau)
      say(text("stage ", work->stage.config.name, " ends at step ", state_->step,
               ": its loss is on a plateau"));
    over = plateau || state_->step >= last;
    if (over) break;
    if (is_due(config_.evaluate.every, state_->step)) evaluate(*work);
    if (stop)
      save();
    else if (is_due(config_.checkpoint.every, state_->step))
      save_behind();
  }
  if (over) end_stage(*work);
  if (stop) say(text("asked to stop: saved at step ", state_->step));
  return stop ? After::stop : After::go_on;
}

void TrainingRun::end_stage(StageWork& work) {
  evaluate(work);
  state_->ended.push_back(state_->step - work.stage.first_step);
  save();
  plan_ = plan_run(config_, state_->vocabulary.size(), state_->ended);
}

StepRule TrainingRun::rule_of(const Stage& stage) const {
  StepRule rule;
  rule.weights = term_weights(stage.config.loss);
  rule.dropout = {stage.config.model.dropout, static_cast<std::uint64_t>(config_.seed),
                  static_cast<std::uint64_t>(state_->step), 0};
  rule.rate =
      learning_rate(config_.optimizer, schedule_point(config_.optimizer, plan_, state_->step));
  rule.clip = config_.optimizer.clip;
  rule.step = state_->step;
  return rule;
}

TrainingRun::After TrainingRun::one_step(StageWork& work) {
  const double began = now_sec();
  enter("step");
  const Objective objective =
      objective_of_step(work.stage.config.objective, state_->step - work.stage.first_step);
  std::optional<Batch> batch;
  agree(channel_, [&] { batch = work.data.next(objective); });
  const StepRule rule = rule_of(work.stage);
  set_trained(trained_parts(work.stage.config.train, work.stage.config.model, rule.dropout.seed,
                            state_->step),
              state_->params);
  const StepTraffic before = counted_traffic(*work.model, *work.replicas);
  const StepParts parts = work.parts(*this);
  const StepStart start = start_step(parts, *batch, writer_.busy());
  if (writer_.pending() && !start.busy) writer_.advance();
  StepTrial trial = try_step(parts, *batch, rule, start.normaliser);
  const StepJudge judge = {state_->history[static_cast<size_t>(objective)], spike_rule()};
  if (!judge.fault(trial).empty()) {
    const BadStep bad = examine_step(parts, *batch, rule, start.normaliser, judge, trial,
                                     [&] { return work.data.window_names(objective); });
    const After after = after_bad_step(work, objective, bad);
    if (!bad.good) return after;
    trial = *bad.good;
  }
  take_step(parts, rule, trial);
  StepTraffic traffic = difference(counted_traffic(*work.model, *work.replicas), before);
  take_slowest(channel_, traffic);
  count_step(work, objective, trial, began);
  agree(channel_, [&] {
    if (channel_.rank() == 0) write_step(work, objective, trial, traffic, rule.rate);
  });
  return start.stop ? After::stop : After::go_on;
}

// What the state is after a step that was taken.
void TrainingRun::count_step(const StageWork& work, Objective objective, const StepTrial& trial,
                             double began) {
  state_->step += 1;
  state_->saved.clear();
  regrow();
  state_->cursors[static_cast<size_t>(objective)] = work.data.cursor(objective);
  state_->tokens += work.stage.tokens;
  state_->seconds += now_sec() - began;
  remember(state_->history[static_cast<size_t>(objective)], trial.loss, trial.grad_norm,
           spike_rule());
  const std::int64_t over = work.stage.config.until.loss_plateau.over;
  if (over == 0) return;
  state_->losses.push_back(trial.loss);
  if (static_cast<std::int64_t>(state_->losses.size()) > 2 * over)
    state_->losses.erase(state_->losses.begin());
}

void TrainingRun::regrow() {
  const RegrowConfig& rule = config_.regrow;
  const double last = rule.until * static_cast<double>(plan_.steps);
  if (is_due(rule.every, state_->step) && static_cast<double>(state_->step) <= last)
    exchange_connections(channel_, *state_, static_cast<std::uint64_t>(config_.seed), rule.share);
}

void TrainingRun::save() {
  enter("save");
  writer_.save(*state_, config_, held_out_now());
  note_status(Ending::running, static_cast<size_t>(state_->stage));
}

void TrainingRun::save_behind() {
  enter("save");
  writer_.begin(*state_, config_, held_out_now());
  note_status(Ending::running, static_cast<size_t>(state_->stage));
}

std::optional<double> TrainingRun::held_out_now() const {
  if (scored_at_ != state_->step) return {};
  return scored_;
}

}  // namespace ortho
