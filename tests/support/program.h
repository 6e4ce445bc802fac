// Runs the real program as a user would, in a shell.
#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <string>
#include <utility>

#include "core/error.h"

namespace ortho {

struct Outcome {
  int code;            // exit code; 128 + signal when one ended it
  std::string output;  // both outputs, as they came
};

// What the shell /bin/sh makes of `command`.
inline Outcome run_shell(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  ASSERT(pipe != nullptr, system_error());
  Outcome outcome{0, ""};
  std::array<char, 256> buffer;
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) outcome.output += buffer.data();
  const int status = ::pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

// `arguments` as a shell reads them; `before` goes in front of the program: "ulimit -f 64; ".
inline Outcome run_program(const std::string& arguments, const std::string& before = "") {
  return run_shell(text(before, ORTHO_BINARY, ' ', arguments));
}

// What Open MPI needs on a small machine, also as root.
inline constexpr std::array<std::pair<const char*, const char*>, 5> kMpiEnvironment = {
    {{"OMP_NUM_THREADS", "1"},
     {"OMPI_ALLOW_RUN_AS_ROOT", "1"},
     {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"},
     {"OMPI_MCA_btl_vader_single_copy_mechanism", "none"},
     {"OMPI_MCA_mpi_yield_when_idle", "1"}}};

// `what` is mpirun's: "-np 2 program arguments".
inline Outcome run_mpi(const std::string& what) {
  std::string before;
  for (const auto& [name, value] : kMpiEnvironment) before += text(name, '=', value, ' ');
  return run_shell(text(before, ORTHO_MPIEXEC, " --bind-to none --oversubscribe ", what));
}

}  // namespace ortho
