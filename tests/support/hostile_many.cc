// hostile_many ROUNDS [SEED]: so many damaged media files and shards; prints what came of them.
#include <cstdio>
#include <cstdlib>

#include "tests/support/hostile_media.h"

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 10'000;
  const auto seed = static_cast<std::uint64_t>(argc > 2 ? std::atoi(argv[2]) : 1);
  ortho::HostileMedia hostile;
  hostile.run(seed, rounds);
  std::printf("%-12s %9s %9s %12s\n", "file", "accepted", "refused", "worker lost");
  ortho::HostileCounts all;
  for (const auto& [name, counts] : hostile.counts()) {
    std::printf("%-12s %9d %9d %12d\n", name.c_str(), counts.accepted, counts.refused,
                counts.worker_lost);
    all.accepted += counts.accepted;
    all.refused += counts.refused;
    all.worker_lost += counts.worker_lost;
  }
  std::printf("%-12s %9d %9d %12d\n", "all", all.accepted, all.refused, all.worker_lost);
  for (const std::string& lost : hostile.lost()) std::printf("lost: %s\n", lost.c_str());
  for (const std::string& fault : hostile.faults()) std::printf("FAULT: %s\n", fault.c_str());
  return hostile.faults().empty() ? 0 : 1;
}
