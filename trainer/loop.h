// Loop: a run from its first step, or its newest good checkpoint, to its last stage.
//
// Between two stages the model grows; a checkpoint is saved before each growth, so a run killed
// at any moment goes on from the last one and repeats what it lost bit for bit (same ranks).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/channel.h"
#include "model/sharding.h"
#include "trainer/evaluate.h"
#include "trainer/metrics.h"
#include "trainer/run_meshes.h"
#include "trainer/run_state.h"
#include "trainer/run_status.h"
#include "trainer/stage.h"
#include "trainer/step.h"

namespace ortho {

// What this start of a run is told beside its config.
struct StartFacts {
  bool any_ranks = false;    // stages that ask for other ranks train on those there are
  std::int64_t attempt = 0;  // its number; 0: one more than the last start's
  double spent_sec = -1;     // of earlier starts and between them; below 0: as they noted
};

class TrainingRun {
 public:
  // Collective. Resolves the data and the plan; loads the newest
  // good checkpoint under config.out if there is one.
  TrainingRun(const RunConfig& config, Channel& channel, const StartFacts& facts = {});
  ~TrainingRun();

  // Collective. True: all stages that these ranks train are done. False: a signal asked to stop.
  // Everything is saved; status() tells which.
  bool go();

  const RunState& state() const { return *state_; }
  const RunStatus& status() const { return status_; }

 private:
  struct StageWork;  // model, loader, optimizer of the stage that runs

  void check_ranks();  // all run the same program on the same config and data
  void start_or_resume();
  Sharding sharding_of(const Stage& stage) const;  // this rank's part in it
  void grow_to(const Stage& before, const Stage& stage);
  std::string held_out_loss(const Stage& stage);  // of the model as it is; "": nothing held out
  void enter_stage(size_t index);
  bool run_stage(const Stage& planned);  // false: asked to stop, everything is saved
  void end_stage(StageWork& work);
  bool one_step(StageWork& work);  // false: asked to stop
  void regrow();                   // exchanges connections of sparse maps where it is due
  void write_step(const StageWork& work, Objective objective, const StepResult& result,
                  const StepTraffic& traffic, double rate);
  void evaluate(StageWork& work);  // each of its objectives
  void evaluate(StageWork& work, Objective objective);
  void save();
  void enter(const char* phase) { channel_.enter(phase, state_ == nullptr ? 0 : state_->step); }
  void note_status(Ending ending, size_t stage);  // the stage that is trained next
  void end(Ending ending, size_t stage);          // the same, and says where the time went
  void tell_slow_ranks();
  bool complete() const { return state_->ended.size() == plan_.stages.size(); }
  const Stage& stage() const { return plan_.stages[static_cast<size_t>(state_->stage)]; }

  RunConfig config_;
  Channel& channel_;
  std::unique_ptr<Backend<float>> backend_;
  Vocabulary vocabulary_;
  RunPlan plan_;
  std::vector<StageMesh> meshes_;  // of each stage
  std::unique_ptr<RunState> state_;
  MetricsFile metrics_;
  std::string checkpoints_;  // folder
  // Of this process, for rate and progress.
  double born_at_, started_at_ = 0, flops_at_start_ = 0, shown_at_ = 0;
  double spent_before_sec_ = 0;  // by earlier starts
  RunStatus status_;
};

}  // namespace ortho
