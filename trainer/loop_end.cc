// How a run leaves, and what it says of its time: the status file, the useful share, slow ranks.
#include "comm/agree.h"
#include "core/log.h"
#include "trainer/loop.h"
#include "trainer/slow_ranks.h"
#include "trainer/stage_work.h"

namespace ortho {
void TrainingRun::note_status(Ending ending, size_t stage) {
  status_.ending = ending;
  status_.step = state_->step;
  status_.stage = static_cast<std::int64_t>(stage);
  status_.ranks = config_.stages.at(stage).ranks;
  status_.useful_sec = state_->seconds;
  status_.spent_sec = spent_before_sec_ + now_sec() - born_at_;
  agree(channel_, [&] {
    if (channel_.rank() == 0) write_status(config_.out, status_);
  });
}

void TrainingRun::end(Ending ending, size_t stage) {
  enter("end");
  tell_slow_ranks();
  note_status(ending, stage);
  agree(channel_, [&] {
    if (channel_.rank() != 0) return;
    metrics_.write(JsonObject()
                       .add("event", std::string("goodput"))
                       .add("step", state_->step)
                       .add("attempt", status_.attempt)
                       .add("useful_sec", status_.useful_sec)
                       .add("spent_sec", status_.spent_sec));
  });
  say(goodput_text(status_.useful_sec, status_.spent_sec));
  if (ending == Ending::next_stage)
    say(text("stage ", config_.stages.at(stage).name, " asks for ", status_.ranks,
             " ranks: go on with mpirun -np ", status_.ranks, ", or orthotope run"));
}

void TrainingRun::tell_slow_ranks() {
  if (channel_.ranks() == 1) return;
  const SlowRanks found = find_slow_ranks(channel_, channel_.busy_sec());
  if (!found.line.empty()) say(found.line);
  agree(channel_, [&] {
    if (channel_.rank() == 0) metrics_.write(json_line(found, state_->step));
  });
}

}  // namespace ortho
