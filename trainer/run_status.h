// Run status: OUT/status.json, what the last start of a run came to. Rank 0 alone writes it.
//
// An exit code passes through mpirun, which changes and loses it; this file does not. It is written
// at the start, at every save and before MPI ends, so a state of `running` means: killed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ortho {

enum class Ending { running, complete, next_stage, stopped, failed };
const char* ending_name(Ending ending);

struct RunStatus {
  std::int64_t attempt = 0;  // number of the start, given by `run` or counted here
  Ending ending = Ending::running;
  std::string reason;      // of failed: the message
  std::int64_t code = 0;   // the exit code that goes with it
  std::int64_t step = 0;   // steps done
  std::int64_t stage = 0;  // to be trained next, from 0
  std::int64_t ranks = 0;  // that it asks for; 0: any number
  double useful_sec = 0;   // of steps that count, over all starts
  double spent_sec = 0;    // of all starts since the first, steps that were done again included
};

// Error(disk) when it cannot be written.
void write_status(const std::string& out, const RunStatus& status);
// Nothing when there is none, or it is no status.
std::optional<RunStatus> read_status(const std::string& out);

// Of a start that begins: one more than the last, going on with its times. `attempt` above 0 and
// `spent_sec` from 0 up are known better by who starts it.
RunStatus next_status(const std::string& out, std::int64_t attempt, double spent_sec);

// "useful share of time 93.1 %: 11m13s of 12m03s went into steps that count"
std::string goodput_text(double useful_sec, double spent_sec);

}  // namespace ortho
