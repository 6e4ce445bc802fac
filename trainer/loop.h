// Loop: a run from its first step, or its newest good checkpoint, to its last stage.
//
// Between two stages the model grows; a checkpoint is saved before each growth, so a run killed
// at any moment goes on from the last one and repeats what it lost bit for bit (same ranks).
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/channel.h"
#include "model/sharding.h"
#include "trainer/bad_step.h"
#include "trainer/checkpoint_writer.h"
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
  // What comes behind a step, or behind a stage.
  enum class After {
    go_on,
    stop,    // asked to; everything is saved, or will be
    again,   // the step was bad and its batch is left out
    rewind,  // the step was bad: to the checkpoint before
  };
  After run_stage(const Stage& planned);
  void end_stage(StageWork& work);
  After one_step(StageWork& work);
  StepRule rule_of(const Stage& stage) const;
  void count_step(const StageWork& work, Objective objective, const StepTrial& trial, double began);
  SpikeRule spike_rule() const { return {config_.bad_step.spike, config_.bad_step.over}; }
  After after_bad_step(StageWork& work, Objective objective, const BadStep& bad);
  void rewind();
  void resume_behind_bad_step();  // with data that come behind those of the bad step
  void note_bad_step(std::int64_t step, const BadStep& bad, const std::string& policy);
  void regrow();  // exchanges connections of sparse maps where it is due
  void write_step(const StageWork& work, Objective objective, const StepTrial& trial,
                  const StepTraffic& traffic, double rate);
  void evaluate(StageWork& work);  // each of its objectives
  void evaluate(StageWork& work, Objective objective);
  void save();
  void save_behind();  // the training
  void enter(const char* phase) { channel_.enter(phase, state_ == nullptr ? 0 : state_->step); }
  void note_status(Ending ending, size_t stage);  // the stage that is trained next
  void end(Ending ending, size_t stage);          // the same, and says where the time went
  void tell_slow_ranks();
  std::optional<double> held_out_now() const;  // loss, if it was measured at this step
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
  CheckpointWriter writer_;
  // Of the last evaluation of this process.
  std::int64_t scored_at_ = -1;
  double scored_ = 0;
  // Until the stage of a step that was rewound is trained again: where its data go on.
  struct Behind {
    std::int64_t stage = 0, bad_steps = 0;
    std::array<Cursor, kObjectives> cursors;
    std::string identity;
    std::int64_t bad_step = 0;
    BadStep bad;
  };
  std::optional<Behind> behind_;
  // Of this process, for rate and progress.
  double born_at_ = 0, started_at_ = 0, flops_at_start_ = 0, shown_at_ = 0;
  double spent_before_sec_ = 0;  // by earlier starts
  RunStatus status_;
};

}  // namespace ortho
