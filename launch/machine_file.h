// Machine file: a cluster as `orthotope probe` writes it and `plan --machine` reads it, with the
// rates of a run's stages where it was probed with that run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "launch/cost.h"
#include "trainer/machine.h"

namespace ortho {

// What a rank reached in a stage of a run.
struct StageRate {
  std::string stage;
  std::int64_t ranks = 0;  // that were at work
  std::string model;       // fingerprint(): a changed model was not measured
  Rate rate;
};

struct MachineFile {
  Machine machine;
  std::vector<StageRate> stages;
};

std::string fingerprint(const Stage& stage);

// Error(usage) with file and line for what it cannot be.
MachineFile read_machine_file(const std::string& path);
std::string machine_text(MachineFile file);  // YAML

// Measured for this stage on so many ranks, if it was.
std::optional<Rate> rate_of(const MachineFile& file, const Stage& stage, int ranks);

}  // namespace ortho
