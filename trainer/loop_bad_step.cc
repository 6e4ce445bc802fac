// What a run does about a bad step: stops, leaves its batch out, or goes back. See trainer/loop.h.
//
// A rewind loads the checkpoint before and goes on with the data behind the bad step's: what was
// read since is not read again. Killed on the way, a run meets the same step and does the same.
#include "core/error.h"
#include "core/log.h"
#include "trainer/stage_work.h"

namespace ortho {
namespace {

std::string policy_name(BadStepConfig::Policy policy) {
  constexpr const char* kNames[] = {"stop", "skip", "rewind"};
  return kNames[static_cast<size_t>(policy)];
}

}  // namespace

TrainingRun::After TrainingRun::after_bad_step(StageWork& work, Objective objective,
                                               const BadStep& bad) {
  using Policy = BadStepConfig::Policy;
  const BadStepConfig& rule = config_.bad_step;
  const std::string line = bad_step_text(state_->step + 1, bad);
  state_->bad_steps += 1;
  if (rule.policy == Policy::stop || state_->bad_steps > rule.most) {
    const std::string why = rule.policy == Policy::stop
                                ? text("bad_step.policy is stop")
                                : text("these are ", state_->bad_steps,
                                       " bad steps of this stage, bad_step.most is ", rule.most);
    throw SharedError(ErrorKind::internal, text(line, " Nothing was updated; ", why,
                                                ". The newest checkpoint is whole."));
  }
  if (channel_.rank() == 0)
    warn(text(line, " ", bad.good ? "Its second result is used" : "bad_step.policy: ",
              bad.good ? "" : policy_name(rule.policy), "; ", state_->bad_steps, " of ", rule.most,
              " in this stage."));
  if (bad.good) {
    note_bad_step(state_->step + 1, bad, "second result");
    return After::go_on;
  }
  state_->cursors[static_cast<size_t>(objective)] = work.data.cursor(objective);
  if (rule.policy == Policy::skip) {
    note_bad_step(state_->step + 1, bad, "skip");
    return After::again;
  }
  behind_ = Behind{state_->stage,    state_->bad_steps, state_->cursors,
                   state_->identity, state_->step + 1,  bad};
  return After::rewind;
}

void TrainingRun::rewind() {
  writer_.finish();
  start_or_resume();
  flops_at_start_ = flops_before(plan_, std::min(state_->step, plan_.steps));
  started_at_ = now_sec();
}

void TrainingRun::resume_behind_bad_step() {
  if (!behind_ || behind_->stage != state_->stage) return;
  state_->cursors = behind_->cursors;
  state_->identity = behind_->identity;
  state_->bad_steps = behind_->bad_steps;
  note_bad_step(behind_->bad_step, behind_->bad, "rewind");
  behind_.reset();
}

void TrainingRun::note_bad_step(std::int64_t step, const BadStep& bad, const std::string& policy) {
  agree(channel_, [&] {
    if (channel_.rank() != 0) return;
    JsonObject line;
    line.add("event", std::string("bad_step"))
        .add("step", state_->step)
        .add("bad", step)
        .add("cause", cause_name(bad.cause))
        .add("what", bad.what)
        .add("ranks", list_text(bad.ranks))
        .add("windows", list_text(bad.windows))
        .add("done", policy);
    metrics_.write(line);
  });
}

}  // namespace ortho
