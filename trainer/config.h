// RunConfig: everything a run file may say, defaults
// beside the fields; trainer/config_fields.cc lists each once.
//
// A stage is a whole description: what it does not name it inherits from the stage before it, the
// first from the top level, so a parsed StageConfig has no gaps. The groups batch, mesh, objective,
// until and until.loss_plateau are replaced whole when named. Derived, not listed:
// ModelSpec::text_symbols (the data's vocabulary) and audio_levels (data.audio_bits).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config_node.h"
#include "core/fields.h"
#include "dataio/record.h"
#include "dataio/window.h"
#include "model/spec.h"
#include "trainer/machine.h"

namespace ortho {

struct DataConfig {
  std::vector<std::string> train;  // packed data sets: folders with a MANIFEST; read as one
  Padding padding = Padding::random;
  std::int64_t audio_bits = 8;     // 8: 256 mu-law levels; 16: 65,536 levels of PCM
  std::int64_t streams = 64;       // C of the data order: equal streams the records are dealt to
  std::int64_t window_blocks = 4;  // W of the data order: blocks shuffled together
  Split held_out = Split::valid;   // what evaluation scores
  bool operator==(const DataConfig&) const = default;
};

struct ObjectiveConfig {
  double next_token = 1.0;  // shares of the steps of a mix; at least one above 0
  double one_shot = 0.0;
  double diffusion = 0.0;
  bool operator==(const ObjectiveConfig&) const = default;
};

struct OneShotConfig {
  enum class Output { last, text, pixel, audio };  // which item of a record is predicted
  Output output = Output::last;
  std::int64_t slots = 0;  // places at the window's end for the answer; 0: all the input leaves
  bool operator==(const OneShotConfig&) const = default;
};

// Weights of the terms of the loss.
struct LossConfig {
  double modality = 1.0, text = 1.0, pixel = 1.0, audio = 1.0;
  double place = 1.0, item = 1.0;  // of the position heads
  bool ends = true;  // score the end of a record (the modality head then predicts `none`)
  bool operator==(const LossConfig&) const = default;
};

// Windows of one step, over all ranks: given as such, or as tokens / T.
struct BatchConfig {
  std::int64_t windows = 0, tokens = 0;  // exactly one above 0; neither named: 12 windows
  bool operator==(const BatchConfig&) const = default;
};

// A stage ends early when the mean training loss of the last `over` steps is less than `less_than`
// nats below that of the `over` steps before them.
struct PlateauConfig {
  std::int64_t over = 0;  // steps; 0 = never
  double less_than = 0;
  bool operator==(const PlateauConfig&) const = default;
};

// When a stage ends: exactly one of steps and flops is above 0, a plateau may end it sooner.
struct UntilConfig {
  std::int64_t steps = 0;
  double flops = 0;  // training FLOPs of this stage: 6 x executed multiply-adds x tokens
  PlateauConfig loss_plateau;
  bool operator==(const UntilConfig&) const = default;
};

// How the ranks of a stage share its nodes; trainer/mesh_choice.h reads it.
struct MeshConfig {
  std::int64_t batch = 0;  // ranks along the batch; 0: 1, or chosen when no other axis is cut
  std::vector<std::int64_t> tokens;  // along each token axis, outermost first; missing ones are 1
  std::int64_t channels = 1;
  bool operator==(const MeshConfig&) const = default;
};

// What holds for the meshes of all stages; listed in the run's group `mesh`.
struct RanksConfig {
  std::int64_t ranks_per_node = 0;  // 0: what the machine says
  std::int64_t memory = 0;          // bytes of one rank that a chosen mesh must fit; 0: no limit
  bool operator==(const RanksConfig&) const = default;
};

// Which parts of the model a step updates: trainer/partial.h.
struct TrainConfig {
  enum class Choose { random, newest, listed };
  double share = 1.0;  // of the sublayers; at least one
  Choose choose = Choose::random;
  std::vector<std::string> list;  // listed: "block.0.axis.1", "embed"
  bool operator==(const TrainConfig&) const = default;
};

struct StageConfig {
  std::string name;
  ModelSpec model;
  DataConfig data;
  ObjectiveConfig objective;
  OneShotConfig one_shot;
  LossConfig loss;
  BatchConfig batch;
  MeshConfig mesh;
  UntilConfig until;
  TrainConfig train;
  std::int64_t ranks = 0;  // that train this stage; 0: as many as there are
  bool operator==(const StageConfig&) const = default;
};

struct OptimizerConfig {
  enum class Name { adamw, sgd };
  enum class Decay { constant, linear, cosine };

  Name name = Name::adamw;
  double lr = 4e-3;  // peak
  double beta1 = 0.9, beta2 = 0.99;
  double epsilon = 1e-8;
  double momentum = 0.9;      // sgd
  double weight_decay = 0.1;  // decoupled, on tables, maps and heads only
  double clip = 1.0;          // of the global gradient norm; 0 = off
  std::int64_t warmup = 100;  // steps
  Decay decay = Decay::cosine;
  double final = 0.1;       // share of lr that decay ends at
  std::int64_t rewarm = 0;  // steps of linear re-warm-up after a growth
  bool operator==(const OptimizerConfig&) const = default;
};

// Sparse maps close some connections and open as many others (trainer/density.h).
struct RegrowConfig {
  std::int64_t every = 0;  // steps; 0 = never
  double share = 0.1;      // of the open connections
  double until = 0.75;     // share of the run's steps: the last ones need time to learn
  bool operator==(const RegrowConfig&) const = default;
};

struct EvaluateConfig {
  std::int64_t every = 250;  // steps; 0 = only at the end of a stage, where it always runs
  std::int64_t windows = 0;  // 0 = all held-out windows
  bool operator==(const EvaluateConfig&) const = default;
};

struct CheckpointConfig {
  std::int64_t every = 500;     // steps; 0 = only at growths and at the end, where it always saves
  std::int64_t keep = 3;        // the newest ones stay; at least 1
  std::int64_t keep_every = 0;  // those of each so many steps stay too; 0 = none
  bool keep_best = false;       // and the one of least held-out loss of each stage
  bool behind = true;           // written behind the training, from a copy in memory
  std::int64_t may_fail = 2;    // saves in a row that a full disk may spoil before the run ends
  bool operator==(const CheckpointConfig&) const = default;
};

// What becomes of a step whose loss or gradient is not finite, or a spike (trainer/bad_step.h).
struct BadStepConfig {
  enum class Policy { stop, skip, rewind };
  Policy policy = Policy::stop;
  double spike = 0;        // so many times the usual spread above the median; 0 = no spikes
  std::int64_t over = 64;  // steps that tell what is usual
  std::int64_t most = 8;   // bad steps of a stage; one more ends the run
  bool operator==(const BadStepConfig&) const = default;
};

// When a run is taken to hang (comm/watchdog.h), and what `orthotope run` does when it fails.
struct FaultsConfig {
  enum class OnHostLoss { fewer, wait, stop };

  double deadline = 30;        // seconds of a step without progress
  double slow_deadline = 300;  // of a start, a growth, a save, an evaluation
  double beat = 5;             // seconds without a word of a rank before its host is asked
  std::int64_t restarts = 3;   // in a row without a newer checkpoint
  double back_off = 2;         // seconds before the first of them, doubled each time, at most 60
  OnHostLoss on_host_loss = OnHostLoss::fewer;  // fewer ranks, wait for the host, or end
  bool operator==(const FaultsConfig&) const = default;
};

enum class Switch { automatic, on, off };

struct RunConfig {
  std::int64_t seed = 1;
  std::string out = "runs/run";  // run folder
  std::string start;             // folder of .npy files the weights begin with; "": all are drawn
  std::int64_t threads = 1;      // per rank
  bool deterministic = false;    // the same bits on 1, 2, 4 or 8 ranks (trainer/fixed_order.h)
  DataConfig data;               // this and the next six: what the first stage inherits
  ObjectiveConfig objective;
  OneShotConfig one_shot;
  LossConfig loss;
  BatchConfig batch;
  MeshConfig mesh;
  ModelSpec model;
  Switch modality_table = Switch::automatic;  // on when the run ever has more than one modality
                                              // or hides tokens (diffusion)
  Switch modality_head = Switch::automatic;   // the same, or when ends are scored
  std::vector<StageConfig> stages;
  OptimizerConfig optimizer;
  RegrowConfig regrow;
  EvaluateConfig evaluate;
  CheckpointConfig checkpoint;
  BadStepConfig bad_step;
  RanksConfig ranks;
  Machine machine;  // that meshes are chosen for
  FaultsConfig faults;
  bool operator==(const RunConfig&) const = default;
};

Fields fields(FaultsConfig& config);
Fields fields(RunConfig& config);

// Parses, validates each field and the whole, and resolves
// what is `auto`. Error(usage) names every mistake.
RunConfig parse_config(const ConfigNode& root);

// The whole resolved config as YAML; parsing it gives an equal RunConfig.
std::string config_text(const RunConfig& config);

// The model's fields alone, as YAML: what a checkpoint's weights were trained as. Dropout, which a stage may change
// freely, is left out.
std::string model_text(ModelSpec spec);

std::string config_help();  // every field with kind, limits, unit and default

}  // namespace ortho
