#include <chrono>
#include <exception>
#include <thread>

#include "comm/host.h"
#include "comm/mpi.h"
#include "comm/watchdog.h"
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

WatchRule watch_rule(const RunConfig& config, const TrainOptions& options, int rank) {
  WatchRule rule;
  rule.deadline_sec = config.faults.deadline;
  rule.slow_deadline_sec = config.faults.slow_deadline;
  rule.report = options.report;
  rule.token = options.token;
  rule.dump = text(config.out, "/faults/start-", options.attempt, "-rank-", rank, ".txt");
  return rule;
}

// What the supervisor judges by when this start failed. What fails here was said already, or will
// be by the error itself.
void note_failure(const RunConfig& config, const TrainOptions& options, const Error& error) {
  try {
    RunStatus status = next_status(config.out, options.attempt, options.spent_sec);
    status.ending = Ending::failed;
    status.reason = error.what();
    status.code = error.exit_code();
    write_status(config.out, status);
  } catch (const Error& second) {
    warn(second.what());
  }
}

// True: nothing is left to do here.
bool train(const RunConfig& config, const TrainOptions& options, int& rank) {
  Journal journal;
  const MpiSession session;
  const auto world = watched_channel(make_run_channel(config), journal);
  rank = world->rank();
  const std::int64_t before = own_bytes(resident_bytes());
  const Watchdog watchdog(journal, rank, world->ranks(), world->host(),
                          watch_rule(config, options, rank), [&] { world->abort(kExitHung); });
  try {
    TrainingRun run(config, *world, {options.any_ranks, options.attempt, options.spent_sec});
    const bool done = run.go();
    say_memory(*world, before);
    if (run.status().ending == Ending::complete) say("complete: " + config.out);
    return done;
  } catch (const Error& error) {
    if (world->ranks() > 1) watchdog.dump(error.what());
    if (rank == 0) note_failure(config, options, error);
    throw;
  }
}

}  // namespace

int run_train(const TrainOptions& options) {
  // Wrong configs end before MPI starts.
  const RunConfig config = read_run_file(options.config, options.settings);
  watch_stop_signals();
  int rank = 0;
  if (train(config, options, rank)) return 0;
  if (rank != 0) return 0;
  std::this_thread::sleep_for(kLeaveLast);
  return kExitSavedAndLeft;
}

}  // namespace ortho
