// A run in small: the same stages, objectives and growths with fewer of everything.
//
// Axes, channels, hidden units and blocks keep their order from stage to stage, so that what grew
// still grows. Where no smaller model is allowed the sizes stay, and only steps and windows shrink.
#pragma once

#include <string>

#include "trainer/config.h"

namespace ortho {

struct SmallRun {
  RunConfig config;
  std::string said;  // what was made smaller, in words
};

// `symbols`: of the text table. `config` must be one that plan_run accepts.
SmallRun shrink_run(const RunConfig& config, std::int64_t symbols);

// Puts a made-up data set into `folder` for each path that is not there, of the modalities of the
// first stage that reads it; returns what it made, in words.
std::string make_missing_data(RunConfig& config, const std::string& folder);

}  // namespace ortho
