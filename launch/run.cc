// `run`, and what it calls on other hosts.
#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/process.h"
#include "launch/commands.h"
#include "launch/program_path.h"
#include "launch/run_file.h"
#include "launch/run_signals.h"
#include "launch/slurm.h"
#include "launch/supervise.h"

namespace ortho {
namespace {

constexpr double kSubmitPatienceSec = 60;

std::string absolute(const std::string& path) { return std::filesystem::absolute(path).string(); }

SlurmJob job_of(const RunConfig& config, const RunOptions& options) {
  SlurmJob job;
  job.name = std::filesystem::path(config.out).filename().string();
  job.program = program_beside("orthotope");
  job.config = absolute(options.config);
  job.folder = absolute(config.out);
  job.settings = options.settings;
  job.mpirun = options.mpirun;
  job.network = options.network;
  job.partition = options.partition;
  job.time = options.time;
  job.nodes = options.nodes;
  job.threads = config.threads;
  job.ranks = static_cast<int>(std::max<std::int64_t>(1, options.ranks));
  for (const StageConfig& stage : config.stages)
    job.ranks = std::max(job.ranks, static_cast<int>(stage.ranks));
  if (options.notice > 0) job.notice_sec = options.notice;
  return job;
}

int submit(const RunConfig& config, const RunOptions& options) {
  const std::string script = slurm_script(job_of(config, options));
  if (options.slurm == RunOptions::Submit::print) {
    std::fputs(script.c_str(), stdout);
    return 0;
  }
  make_folder(config.out);
  const std::string path = absolute(config.out) + "/run.sbatch";
  write_file_durably(path, script);
  Process sbatch({"sbatch", path});
  const std::optional<int> code = sbatch.wait_for(kSubmitPatienceSec);
  const std::string words = sbatch.take_output();
  REQUIRE(code == 0, "sbatch ", path, ": ", words);
  std::fputs(words.c_str(), stdout);
  return 0;
}

// Two supervisors of one run would end each other's ranks.
Handle<DescriptorTraits> lock_run(const std::string& out) {
  make_folder(out);
  const std::string path = out + "/run.lock";
  Handle<DescriptorTraits> lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (lock.get() < 0) fail(ErrorKind::disk, text(path, ": ", system_error()));
  REQUIRE(::flock(lock.get(), LOCK_EX | LOCK_NB) == 0, path, " is held by another orthotope run");
  return lock;
}

}  // namespace

int run_run(const RunOptions& options) {
  const RunConfig config = read_run_file(options.config, options.settings);
  if (options.slurm != RunOptions::Submit::no) return submit(config, options);
  count_stop_signals();
  const Handle<DescriptorTraits> lock = lock_run(config.out);
  return Supervisor(config, options).go();
}

int run_host_check(const HostCheckOptions& options) {
  std::printf("%s\n", facts_line(facts_here(options.folder, options.token)).c_str());
  return 0;
}

int run_sweep(const SweepOptions& options) {
  constexpr double kPatienceSec = 5;
  std::printf("%d\n", sweep_here(options.token, kPatienceSec));
  return 0;
}

}  // namespace ortho
