// Supervise: one run from outside: starts mpirun, watches it, judges how it ended, starts it again.
//
// Open MPI cannot mend a job, so a rank, host or link that fails costs the whole job; what was
// saved is never lost, and the next start goes on from there. docs/runbook.md has what a person sees.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "comm/beats.h"
#include "core/process.h"
#include "launch/hosts.h"
#include "launch/judge.h"
#include "launch/lookout.h"
#include "launch/options.h"
#include "trainer/config.h"

namespace ortho {

class Supervisor {
 public:
  Supervisor(RunConfig config, RunOptions options);
  int go();  // until the run ends; the exit code

 private:
  void find_hosts();
  bool wait_for_hosts();
  int wanted_ranks() const;
  bool start();
  int watch();
  void end(bool host_lost, const std::string& why);
  void look_at_hosts(double now);
  bool rest(double sec);  // false: asked to stop meanwhile
  std::vector<std::string> words(int ranks);
  std::int64_t saved_step() const;
  double spent_sec() const;
  int finish(int code);

  const RunConfig config_;
  const RunOptions options_;
  const std::string out_, token_;
  const RemoteShell shell_;
  BeatListener listener_;
  std::vector<Host> all_, hosts_;  // as given; those that answer now. Empty: this machine
  std::map<std::string, std::string> names_;  // what the hosts file calls a host, by its own name
  std::string network_, address_;
  std::optional<Lookout> lookout_;
  std::optional<Process> job_;
  std::int64_t attempt_ = 0, text_symbols_ = 0;
  size_t stage_ = 0;
  int ranks_ = 0;
  double began_at_ = 0, started_at_ = 0, spent_before_sec_ = 0;
  double failed_at_ = 0;  // the last start; 0: none failed, or training goes on
  bool asked_ = false, ended_by_us_ = false, fewer_ = false;
};

}  // namespace ortho
