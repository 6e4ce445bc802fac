// Process: a child program, started without a shell, followed, and never left behind.
//
// It leads a process group of its own, so a terminal's Ctrl-C reaches it only through us; it reads
// nothing (standard input is /dev/null), gets SIGTERM when the thread that started it ends, and the
// destructor kills it and all that it started.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/handle.h"

namespace ortho {

struct DescriptorTraits {
  using Type = int;
  static int null() { return -1; }
  static void close(int descriptor);
};

struct ProcessOptions {
  std::vector<std::pair<std::string, std::string>> environment = {};  // beside this process's own
  std::string folder = {};          // working folder; empty: this process's
  std::string log = {};             // both outputs go to this file; empty: to take_output()
  std::int64_t max_file_bytes = 0;  // a write beyond fails, as on a full disk; 0: no limit
};

class Process {
 public:
  // words[0] is a path, or a name to be found in PATH. Error(usage) when it cannot be started.
  explicit Process(const std::vector<std::string>& words, const ProcessOptions& options = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t id() const { return id_; }
  void send(int signal) const;  // to the program alone; nothing once it has been waited for
  void kill_all();              // SIGKILL to it, its group, and all processes it started

  bool running();
  int wait();                               // exit code, or 128 + the signal that ended it
  std::optional<int> wait_for(double sec);  // the same; nothing when it still runs then
  bool wait_until(const std::function<bool()>& happened);  // false: it ended before
  int end(double patience_sec);  // SIGTERM; kill_all when it runs on; the exit code

  // What it has said on both outputs since the last call. Never waits.
  std::string take_output();

 private:
  void drain();

  pid_t id_ = -1;
  std::optional<int> code_;  // once it has ended
  Handle<DescriptorTraits> output_;
  std::string said_;
};

// Where words[0] of a Process is: PATH's first executable file of that name; empty: nowhere.
std::string find_program(const std::string& name);

// All that descends from `root`, itself left out; as the system has them now.
std::vector<pid_t> descendants(pid_t root);

}  // namespace ortho
