// Slurm: the job that runs `orthotope run` on the hosts Slurm gives it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ortho {

struct SlurmJob {
  std::string name, program, config, folder;  // paths, absolute; the log goes to the folder
  std::vector<std::string> settings, mpirun;  // of --set, --mpirun
  std::string network, partition, time;       // "": not said
  int ranks = 1;                              // the most that any stage asks for
  std::int64_t threads = 1, nodes = 0;        // nodes 0: as Slurm likes
  std::int64_t notice_sec = 60;               // before its end the job gets USR1
};

// The whole file for sbatch. USR1 goes to the program itself: the shell became it.
std::string slurm_script(const SlurmJob& job);

// Inside a job of Slurm: its number, else "".
std::string slurm_job();

}  // namespace ortho
