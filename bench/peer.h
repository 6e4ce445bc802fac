// Another program that answers lines: bench/layer_torch.py under a given Python.
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "core/error.h"

namespace ortho {

class Peer {
 public:
  Peer(const std::string& python, const std::string& script, bool compile) {
    int to[2], from[2];
    REQUIRE(pipe(to) == 0 && pipe(from) == 0, "no pipe to ", python);
    child_ = fork();
    REQUIRE(child_ >= 0, "cannot start ", python);
    if (child_ == 0) {
      dup2(to[0], 0);
      dup2(from[1], 1);
      for (const int end : {to[0], to[1], from[0], from[1]}) close(end);
      // Large arrays stay with the process: without this each step faults its pages in again.
      setenv("MALLOC_TOP_PAD_", "2000000000", 1);
      setenv("MALLOC_MMAP_THRESHOLD_", "4000000000", 1);
      execl(python.c_str(), python.c_str(), script.c_str(), compile ? "--compile" : nullptr,
            nullptr);
      _exit(127);
    }
    close(to[0]);
    close(from[1]);
    signal(SIGPIPE, SIG_IGN);  // ask() says that it has ended
    to_ = fdopen(to[1], "w");
    from_ = fdopen(from[0], "r");
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() {
    fclose(to_);
    fclose(from_);
    waitpid(child_, nullptr, 0);
  }

  // The answer to a line.
  std::string ask(const std::string& line) {
    std::fprintf(to_, "%s\n", line.c_str());
    std::fflush(to_);
    std::string answer;
    for (int c = std::fgetc(from_); c != EOF && c != '\n'; c = std::fgetc(from_))
      answer += static_cast<char>(c);
    REQUIRE(!answer.empty(), "the program beside has ended at: ", line);
    return answer;
  }

  std::vector<double> numbers(const std::string& line) {
    std::istringstream words(ask(line));
    std::vector<double> values;
    for (double value; words >> value;) values.push_back(value);
    return values;
  }

 private:
  pid_t child_;
  FILE *to_, *from_;
};

}  // namespace ortho
