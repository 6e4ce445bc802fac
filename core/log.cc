#include "core/log.h"

#include <unistd.h>

#include <cstdio>
#include <mutex>

namespace ortho {
namespace {

struct LogState {
  std::mutex mutex;  // guards what follows, and whole lines: ranks may be threads
  int rank = 0;
  bool line_open = false;  // a progress line stands unfinished on the terminal
};

// One per process, like standard error itself.
LogState& state() {
  static LogState s;
  return s;
}

void close_line() {
  if (state().line_open) std::fputc('\n', stderr);
  state().line_open = false;
}

}  // namespace

void set_log_rank(int rank) {
  const std::lock_guard lock(state().mutex);
  state().rank = rank;
}

bool log_is_terminal() { return isatty(STDERR_FILENO) == 1; }

void say(const std::string& line) {
  const std::lock_guard lock(state().mutex);
  if (state().rank != 0) return;
  close_line();
  std::fprintf(stderr, "%s\n", line.c_str());
}

void warn(const std::string& line) {
  const std::lock_guard lock(state().mutex);
  close_line();
  std::fprintf(stderr, "warning: rank %d: %s\n", state().rank, line.c_str());
}

void progress(const std::string& line) {
  const std::lock_guard lock(state().mutex);
  if (state().rank != 0) return;
  if (!log_is_terminal()) {
    std::fprintf(stderr, "%s\n", line.c_str());
    return;
  }
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  std::fflush(stderr);
  state().line_open = true;
}

}  // namespace ortho
