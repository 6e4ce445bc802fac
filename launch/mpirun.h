// Mpirun: the words that start the ranks of one stage. A pure function; launch/supervise.h runs it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ortho {

struct MpirunFacts {
  std::string program, config;        // paths, absolute
  std::vector<std::string> settings;  // of --set
  int ranks = 1;
  std::int64_t threads = 1;       // a rank
  std::string hostfile;           // "": this machine, or Slurm's hosts
  std::string remote_shell;       // with a hostfile
  std::string network;            // "": Open MPI's choice
  bool local = true;              // this machine alone: slots do not count
  bool yields = false;            // while it waits: for more ranks than cores
  bool root = false;              // Open MPI asks for a word of consent
  std::vector<std::string> more;  // of --mpirun
  std::string report, token;      // for the ranks' beats
  std::int64_t attempt = 1;
  double spent_sec = 0;
  bool any_ranks = false;
};

std::vector<std::string> mpirun_words(const MpirunFacts& facts);

}  // namespace ortho
