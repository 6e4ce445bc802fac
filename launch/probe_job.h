// Probe job: `orthotope probe` started under mpirun by another command of this program.
#pragma once

#include <string>
#include <vector>

#include "launch/machine_file.h"

namespace ortho {

// On `ranks` ranks of this machine, with the stages of the run. Error(usage) where mpirun is not
// found or fails, with what it said.
MachineFile probe_here(const std::string& config, const std::vector<std::string>& settings,
                       std::int64_t symbols, int ranks);

}  // namespace ortho
