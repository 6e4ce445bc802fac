// Runs the real program as a user would, in a shell.
#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <string>

#include "core/error.h"

namespace ortho {

struct Outcome {
  int code;            // exit code; 128 + signal when one ended it
  std::string output;  // both outputs, as they came
};

// `arguments` as a shell reads them; `before` goes in front of the program: "ulimit -f 64; ".
inline Outcome run_program(const std::string& arguments, const std::string& before = "") {
  const std::string command = text(before, ORTHO_BINARY, ' ', arguments, " 2>&1");
  FILE* pipe = ::popen(command.c_str(), "r");
  ASSERT(pipe != nullptr, system_error());
  Outcome outcome{0, ""};
  std::array<char, 256> buffer;
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) outcome.output += buffer.data();
  const int status = ::pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

}  // namespace ortho
