#include "launch/probe_job.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "comm/mpi.h"
#include "core/error.h"
#include "core/file.h"
#include "core/process.h"
#include "launch/commands.h"
#include "launch/plan.h"
#include "launch/probe.h"
#include "launch/program_path.h"
#include "launch/run_file.h"
#include "launch/world.h"

namespace ortho {
namespace {

constexpr double kProbeSec = 20, kProbeLimitSec = 120;

// The nearest folder above `path` that exists: the run folder may not be there yet.
std::string existing_folder(const std::string& path) {
  std::filesystem::path folder = std::filesystem::absolute(path);
  std::error_code code;
  while (!std::filesystem::is_directory(folder, code) && folder != folder.parent_path())
    folder = folder.parent_path();
  return folder.string();
}

ProcessOptions job_options() {
  ProcessOptions options;
  options.environment = {{"OMPI_MCA_btl_vader_single_copy_mechanism", "none"},
                         {"OMPI_MCA_mpi_yield_when_idle", "1"}};
  if (::geteuid() == 0) {
    options.environment.emplace_back("OMPI_ALLOW_RUN_AS_ROOT", "1");
    options.environment.emplace_back("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
  }
  return options;
}

}  // namespace

MachineFile probe_here(const std::string& config, const std::vector<std::string>& settings,
                       std::int64_t symbols, int ranks) {
  const std::string mpirun = find_program("mpirun");
  REQUIRE(!mpirun.empty(), "--probe starts ranks with mpirun, which is not in PATH");
  const std::string out = text(std::filesystem::temp_directory_path().string(), "/orthotope-probe-",
                               ::getpid(), ".yaml");
  const std::string folder = existing_folder(read_run_file(config, settings).out);
  std::vector<std::string> words = {mpirun,
                                    "-np",
                                    text(ranks),
                                    "--bind-to",
                                    "none",
                                    "--oversubscribe",
                                    program_beside("orthotope"),
                                    "probe",
                                    config,
                                    "--out",
                                    out,
                                    "--seconds",
                                    text(kProbeSec),
                                    "--symbols",
                                    text(symbols),
                                    "--folder",
                                    folder};
  for (const std::string& setting : settings) words.insert(words.end(), {"--set", setting});
  Process job(words, job_options());
  const std::optional<int> code = job.wait_for(kProbeLimitSec);
  REQUIRE(code.has_value(), "the probe did not end within ", kProbeLimitSec, " s; it said:\n",
          job.take_output());
  REQUIRE(*code == 0, "the probe of ", ranks, " ranks left with ", *code, "; it said:\n",
          job.take_output());
  MachineFile file = read_machine_file(out);
  std::filesystem::remove(out);
  return file;
}

int run_probe(const ProbeOptions& options) {
  const bool with_run = !options.config.empty();
  const RunConfig config = with_run ? read_run_file(options.config, options.settings) : RunConfig();
  const MpiSession session;
  const auto world = make_run_channel(config);
  ProbeRule rule;
  rule.seconds = options.seconds;
  rule.folder = options.folder;
  rule.threads = options.threads > 0 ? options.threads : config.threads;
  MachineFile file;
  if (with_run) {
    const DataFacts data = find_data(config, options.symbols, world->ranks());
    const RunCost cost = cost_of_run(config, data.symbols, world->ranks());
    file = probe(*world, rule, &cost, config.optimizer);
  } else {
    file = probe(*world, rule, nullptr, config.optimizer);
  }
  if (world->rank() != 0) return 0;
  if (options.out.empty())
    std::fputs(machine_text(file).c_str(), stdout);
  else
    write_file_durably(options.out, machine_text(file));
  return 0;
}

}  // namespace ortho
