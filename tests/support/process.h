// Child processes for tests: started with a prepared environment, killed, waited for.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"

namespace ortho {

class Process {
 public:
  // Both outputs go to `log`. `prepare` runs in the child before the program starts.
  Process(const std::vector<std::string>& command, const std::string& log,
          const std::function<void()>& prepare = {})
      : child_(::fork()) {
    ASSERT(child_ >= 0, system_error());
    if (child_ > 0) return;
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    if (prepare) prepare();
    std::vector<char*> words;
    for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    ::execvp(words[0], words.data());
    ::_exit(127);
  }
  ~Process() {
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t id() const { return child_; }
  void send(int signal) const { ::kill(child_, signal); }

  bool running() {
    if (child_ > 0 && ::waitpid(child_, &status_, WNOHANG) == child_) child_ = 0;
    return child_ > 0;
  }

  // The exit code, or 128 + the signal that ended it.
  int wait() {
    if (child_ > 0) ::waitpid(child_, &status_, 0);
    child_ = 0;
    return WIFSIGNALED(status_) ? 128 + WTERMSIG(status_) : WEXITSTATUS(status_);
  }

  // Until `happened`, or the process ends: then false.
  bool wait_until(const std::function<bool()>& happened) {
    while (!happened()) {
      if (!running()) return false;
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return true;
  }

 private:
  pid_t child_;
  int status_ = 0;
};

}  // namespace ortho
