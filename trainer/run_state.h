// RunState: everything a run is between two steps. A checkpoint is this and nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dataio/modality.h"
#include "dataio/sampler.h"
#include "model/params.h"
#include "trainer/optimizer.h"

namespace ortho {

struct RunState {
  explicit RunState(const ModelSpec& model) : spec(model), params(param_specs(model)) {}

  ModelSpec spec;          // the model the weights belong to …
  std::int64_t stage = 0;  // … and the stage that declares it; ended when ended.size() is stage + 1
  Params<float> params;
  OptimizerState<float> optimizer;
  Vocabulary vocabulary;

  std::int64_t step = 0;            // optimizer steps done
  std::vector<std::int64_t> ended;  // steps that each finished stage ran
  Cursor cursor;                    // of the current stage's data
  std::string identity;             // of those data, see data_identity()
  std::int64_t tokens = 0;          // of all steps, over all ranks
  double seconds = 0;               // of training, earlier starts included
  std::vector<double>
      losses;  // of the current stage's steps, as far back as its plateau rule looks
  std::vector<std::string> growths;  // what each growth did and how its promise was kept
};

}  // namespace ortho
