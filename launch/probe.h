// Probe: what the ranks of this job reach together: large products, memory, messages, disk, and the
// stages of a run. All ranks measure at once, so what they share (memory, cores, a node's network,
// a file system) is shared as in training; the slowest rank counts.
#pragma once

#include <string>

#include "comm/channel.h"
#include "launch/machine_file.h"

namespace ortho {

struct ProbeRule {
  double seconds = 20;       // about, over all that is measured
  std::string folder;        // where files are written to measure the disk; "": not measured
  std::int64_t threads = 1;  // per rank
};

// Collective; equal on all ranks. `run` may be null: then no stages are measured. Link rates between
// nodes stay the default's where the job has one node.
MachineFile probe(Channel& world, const ProbeRule& rule, const RunCost* run,
                  const OptimizerConfig& optimizer);

}  // namespace ortho
