#include "launch/slurm.h"

#include <cstdlib>

#include "core/error.h"
#include "launch/hosts.h"

namespace ortho {

std::string slurm_script(const SlurmJob& job) {
  std::string script = "#!/bin/bash\n";
  const auto line = [&](const auto&... parts) { script += text("#SBATCH ", parts..., '\n'); };
  line("--job-name=", job.name);
  line("--ntasks=", job.ranks);
  line("--cpus-per-task=", job.threads);
  if (job.nodes > 0) line("--nodes=", job.nodes);
  if (!job.partition.empty()) line("--partition=", job.partition);
  if (!job.time.empty()) line("--time=", job.time);
  line("--requeue");
  line("--open-mode=append");
  line("--output=", job.folder, "/slurm-%j.out");
  line("--signal=B:USR1@", job.notice_sec);
  script +=
      "# USR1 comes before the time is over or the job is preempted: ranks save and leave, the "
      "job is queued again.\nexec ";
  script += shell_word(job.program) + " run " + shell_word(job.config) + " --requeue";
  for (const std::string& setting : job.settings) script += " --set " + shell_word(setting);
  if (!job.network.empty()) script += " --network " + shell_word(job.network);
  for (const std::string& words : job.mpirun) script += " --mpirun " + shell_word(words);
  return script + '\n';
}

std::string slurm_job() {
  const char* number = std::getenv("SLURM_JOB_ID");
  return number == nullptr ? "" : number;
}

}  // namespace ortho
