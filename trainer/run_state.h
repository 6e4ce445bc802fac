// RunState: everything a run is between two steps. A checkpoint is this and nothing else.
//
// Of weights and moments a rank holds its part, of the rest everything.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "dataio/modality.h"
#include "dataio/sampler.h"
#include "dataio/window.h"
#include "model/params.h"
#include "model/sharding.h"
#include "trainer/optimizer.h"
#include "trainer/spike.h"

namespace ortho {

struct RunState {
  RunState(const ModelSpec& model, const Sharding& how)
      : spec(model),
        sharding(how),
        params(param_specs(model), param_layouts(model, how), how.rank()) {}
  explicit RunState(const ModelSpec& model) : RunState(model, Sharding(model, 1)) {}  // on one rank

  ModelSpec spec;          // the model the weights belong to …
  Sharding sharding;       // … how the ranks hold it …
  std::int64_t stage = 0;  // … and the stage that declares it; ended when ended.size() is stage + 1
  Params<float> params;
  OptimizerState<float> optimizer;
  Vocabulary vocabulary;

  std::int64_t step = 0;                    // optimizer steps done
  std::vector<std::int64_t> ended;          // steps that each finished stage ran
  std::array<Cursor, kObjectives> cursors;  // of the current stage's data, by objective
  std::string identity;                     // of those data, see data_identity()
  std::int64_t tokens = 0;                  // of all steps, over all ranks
  double seconds = 0;                       // of training, earlier starts included
  // Of the current stage's steps, as far back as its plateau rule looks.
  std::vector<double> losses;
  std::array<StepHistory, kObjectives> history;  // of the current stage's steps, by objective
  std::int64_t bad_steps = 0;                    // of the current stage, that were not taken
  std::vector<std::string> growths;  // what each growth did and how its promise was kept
  // The checkpoint whose weights and moments these are; empty once they changed. Not saved.
  std::string saved;
};

}  // namespace ortho
