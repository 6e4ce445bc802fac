// Judge: what follows when a start of a run has ended. Pure functions of what is known then.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "trainer/config.h"
#include "trainer/run_status.h"

namespace ortho {

// How one start ended, and what follows; a pure function of what is known then.
struct Verdict {
  enum class Next { finish, stage, again } next;
  int code;          // of `run`, when it finishes
  std::string line;  // what is said of it
};
struct EndFacts {
  int code = 0;                     // of mpirun
  std::optional<RunStatus> status;  // if it is of this start
  bool ended_by_us = false;         // hung, or a host was lost
  bool asked = false;               // to stop
};
Verdict judge_end(const EndFacts& facts);

// Seconds before the start that follows `failures` in a row, at least 1.
double back_off_sec(const FaultsConfig& faults, std::int64_t failures);

// Of the hosts that answer, so many ranks as the stage can use: `wanted`, or the most below it that
// suit its mesh when fewer slots are there. 0: none.
int ranks_to_start(const RunConfig& config, std::int64_t text_symbols, size_t stage, int wanted,
                   int slots);

}  // namespace ortho
