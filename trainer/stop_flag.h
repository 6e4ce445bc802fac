// Stop flag: SIGTERM and SIGUSR1 ask a run to save and leave; the handler only sets a flag.
//
// The flag is summed over all ranks once a step, so all leave at the same step
// even if the signal reached one. Send SIGUSR1 to mpirun, which hands it on.
// On SIGTERM it kills the ranks a second later and leaves with 1.
#pragma once

namespace ortho {

constexpr int kExitSavedAndLeft = 75;  // the process's exit code when it left because it was asked

void watch_stop_signals();  // installs the handlers; once, early
bool stop_requested();
void request_stop(bool stop);  // for tests

}  // namespace ortho
