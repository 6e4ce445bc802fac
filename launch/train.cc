#include <chrono>
#include <thread>

#include "comm/mpi.h"
#include "core/error.h"
#include "core/log.h"
#include "core/memory.h"
#include "launch/commands.h"
#include "launch/run_file.h"
#include "launch/world.h"
#include "trainer/loop.h"
#include "trainer/stop_flag.h"

namespace ortho {
namespace {

// mpirun kills what is left as soon as one rank leaves with a code that is not 0.
// So the other ranks leave first with 0, and rank 0 brings the code a moment later (docs/guide.md).
constexpr std::chrono::milliseconds kLeaveLast{300};

// Pages of the program and its libraries, which come as they are used, are not the run's own.
std::int64_t own_bytes(std::int64_t resident) { return resident - resident_file_bytes(); }

// What grew is what plan calls the total; the data cache comes on top.
void say_memory(Channel& world, std::int64_t before) {
  const std::int64_t peak = world.max(peak_resident_bytes());
  const std::int64_t grown = world.max(own_bytes(peak_resident_bytes()) - before);
  if (grown > 0)
    say(text("memory of a rank: at most ", peak >> 20, " MiB, ", grown, " bytes more than before"));
}

bool train(const RunConfig& config, int& rank) {
  const MpiSession session;
  const auto world = make_run_channel(config);
  rank = world->rank();
  const std::int64_t before = own_bytes(resident_bytes());
  bool complete = false;
  {
    TrainingRun run(config, *world);
    complete = run.go();
  }
  say_memory(*world, before);
  if (complete) say("complete: " + config.out);
  return complete;
}

}  // namespace

int run_train(const TrainOptions& options) {
  // Wrong configs end before MPI starts.
  const RunConfig config = read_run_file(options.config, options.settings);
  watch_stop_signals();
  int rank = 0;
  if (train(config, rank)) return 0;
  if (rank != 0) return 0;
  std::this_thread::sleep_for(kLeaveLast);
  return kExitSavedAndLeft;
}

}  // namespace ortho
