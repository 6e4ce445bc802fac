#include "trainer/stop_flag.h"

#include <csignal>

#include "core/error.h"

namespace ortho {
namespace {

// A signal handler can reach nothing but a global.
volatile std::sig_atomic_t stop_flag = 0;

void on_signal(int) { stop_flag = 1; }

}  // namespace

void watch_stop_signals() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGTERM, SIGUSR1})
    ASSERT(sigaction(signal, &action, nullptr) == 0, system_error());
}

bool stop_requested() { return stop_flag != 0; }
void request_stop(bool stop) { stop_flag = stop ? 1 : 0; }

}  // namespace ortho
