#include "launch/run_signals.h"

#include <csignal>

#include "core/error.h"

namespace ortho {
namespace {

// A signal handler can reach nothing but a global.
volatile std::sig_atomic_t signals = 0;

void on_signal(int) { signals = signals + 1; }

}  // namespace

void count_stop_signals() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGUSR1, SIGTERM, SIGINT, SIGHUP})
    ASSERT(sigaction(signal, &action, nullptr) == 0, system_error());
}

int stop_signals() { return signals; }

}  // namespace ortho
