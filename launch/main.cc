// The one program, and the one catch.
//
// What all ranks meet alike is printed once, by rank 0. The others wait before they leave: mpirun
// ends what is left as soon as one rank leaves with a code that is not 0, and rank 0 must have
// spoken by then.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "comm/agree.h"
#include "comm/mpi.h"
#include "core/error.h"
#include "launch/commands.h"
#include "launch/options.h"
#include "trainer/stop_flag.h"

namespace {

struct Run {
  int operator()(const ortho::ShowText& show) const {
    std::fputs(show.text.c_str(), stdout);
    return 0;
  }
  int operator()(const ortho::PackOptions& options) const { return ortho::run_pack(options); }
  int operator()(const ortho::PlanOptions& options) const { return ortho::run_plan(options); }
  int operator()(const ortho::ProbeOptions& options) const { return ortho::run_probe(options); }
  int operator()(const ortho::TrainOptions& options) const { return ortho::run_train(options); }
  int operator()(const ortho::EvaluateOptions& options) const {
    return ortho::run_evaluate(options);
  }
  int operator()(const ortho::GenerateOptions& options) const {
    return ortho::run_generate(options);
  }
  int operator()(const ortho::InspectOptions& options) const { return ortho::run_inspect(options); }
  int operator()(const ortho::VerifyOptions& options) const { return ortho::run_verify(options); }
  int operator()(const ortho::RehearseOptions& options) const {
    return ortho::run_rehearse(options);
  }
  int operator()(const ortho::ExportOptions& options) const { return ortho::run_export(options); }
  int operator()(const ortho::ApplyOptions& options) const { return ortho::run_apply(options); }
  int operator()(const ortho::RunOptions& options) const { return ortho::run_run(options); }
  int operator()(const ortho::HostCheckOptions& options) const {
    return ortho::run_host_check(options);
  }
  int operator()(const ortho::SweepOptions& options) const { return ortho::run_sweep(options); }
};

// Longer than mpirun takes from one rank's end to ending all others.
constexpr std::chrono::seconds kRankZeroFirst{2};

// Prints the error where it belongs and returns the exit code. A mistake of usage is most likely
// every rank's; a rank that nobody ends while it waits is alone with it, and speaks.
int report(const std::exception& error) {
  const auto* own = dynamic_cast<const ortho::Error*>(&error);
  const bool shared = dynamic_cast<const ortho::SharedError*>(&error) != nullptr;
  const bool usage = own != nullptr && own->kind() == ortho::ErrorKind::usage;
  bool speaks = true;
  if (ortho::launched_rank() != 0 && (shared || usage)) {
    std::signal(SIGTERM, SIG_DFL);  // mpirun's way to end it; a run only made a note of it
    if (!ortho::stop_requested()) std::this_thread::sleep_for(kRankZeroFirst);
    speaks = !shared && !ortho::stop_requested();
  }
  if (speaks) std::fprintf(stderr, "%s\n", error.what());
  return own != nullptr ? own->exit_code() : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    const int code = std::visit(Run{}, ortho::parse_command(arguments));
    if (std::fflush(stdout) != 0)
      ortho::fail(ortho::ErrorKind::disk, "standard output: " + ortho::system_error());
    return code;
  } catch (const std::exception& error) {
    return report(error);
  }
}
