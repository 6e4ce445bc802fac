// The program itself: killed at any moment, asked to leave, out of disk; alone and under mpirun.
#include <filesystem>
#include <fstream>

#include "core/process.h"
#include "core/random.h"
#include "tests/support/errors.h"
#include "tests/support/program.h"
#include "tests/support/run_kit.h"
#include "trainer/checkpoint.h"
#include "trainer/stop_flag.h"

namespace ortho {
namespace {

using Clock = std::chrono::steady_clock;

class TrainProgram : public testing::Test {
 protected:
  // Saves after every step, so that saving takes a good part of the time.
  static constexpr const char* kSaving = "checkpoint: {every: 1, keep: 2}";

  std::vector<std::string> command(const std::string& name, const std::string& more = kSaving) {
    return {ORTHO_BINARY, "train", kit_.write_yaml(name, more)};
  }
  // With a last stage so long that a signal always
  // comes before its end, however busy the machine is.
  std::vector<std::string> long_command(const std::string& name) {
    auto words = command(name, "checkpoint: {every: 200, keep: 2}");
    words.insert(words.end(), {"--set", "stages.3.until.steps=600"});
    return words;
  }
  std::vector<std::string> mpi_command(const std::string& name) {
    std::vector<std::string> words = {ORTHO_MPIEXEC, "-np",  "2",
                                      "--bind-to",   "none", "--oversubscribe"};
    for (const std::string& word : long_command(name)) words.push_back(word);
    return words;
  }
  std::string log() const { return kit_ / "log"; }
  ProcessOptions options(std::int64_t max_file_bytes = 0) const {
    return {{kMpiEnvironment.begin(), kMpiEnvironment.end()}, "", log(), max_file_bytes};
  }
  int run_program(const std::vector<std::string>& words, std::int64_t max_file_bytes = 0) {
    return Process(words, options(max_file_bytes)).wait();
  }
  RunConfig config(const std::string& name) { return kit_.config(name, kSaving); }

  // Starts the run, lets it reach `moment`, ends it there; false when it was complete before.
  bool kill_at(const std::string& name, const std::function<bool()>& moment) {
    Process process(command(name), options());
    if (!process.wait_until(moment)) {
      EXPECT_EQ(process.wait(), 0) << read_file(log());
      return false;
    }
    process.send(SIGKILL);
    EXPECT_EQ(process.wait(), 128 + SIGKILL);
    return true;
  }

  // Whether a save is under way: some file waits for its name.
  bool saving(const RunConfig& run) const {
    std::error_code gone;  // folders vanish while they are read
    for (std::filesystem::recursive_directory_iterator at(checkpoints_of(run), gone), end;
         !gone && at != end; at.increment(gone))
      if (at->path().extension() == ".tmp") return true;
    return false;
  }

  static std::int64_t newest_step(const RunConfig& run) {
    const auto checkpoints = list_checkpoints(checkpoints_of(run));
    if (checkpoints.empty()) return 0;
    return std::stoll(checkpoints.front().substr(checkpoints.front().rfind('-') + 1));
  }

  // Steps, growths and evaluations that metrics.jsonl knows of.
  static std::int64_t lines_of(const RunConfig& run) {
    std::ifstream file(run.out + "/metrics.jsonl");
    std::int64_t lines = 0;
    for (std::string line; std::getline(file, line);) ++lines;
    return lines;
  }

  RunKit kit_;
};

TEST_F(TrainProgram, KilledAtAnyMomentEndsWithTheSameBits) {
  const auto began = Clock::now();
  ASSERT_EQ(run_program(command("straight")), 0) << read_file(log());
  const double took = std::chrono::duration<double>(Clock::now() - began).count();
  const RunConfig killed = config("killed");
  const Random random(17, "kill");
  for (std::uint64_t i = 0; i < 5; ++i) {
    // Up to 40 % of a whole run each time, so that the five together pass its end only sometimes.
    const auto until = Clock::now() + std::chrono::duration<double>(random.uniform(i) * 0.4 * took);
    if (!kill_at("killed", [&] { return Clock::now() >= until; })) break;
  }
  EXPECT_EQ(run_program(command("killed")), 0) << read_file(log());
  expect_same_run(config("straight"), killed);
}

TEST_F(TrainProgram, KilledWhileSavingAndGrowingEndsWithTheSameBits) {
  ASSERT_EQ(run_program(command("straight")), 0) << read_file(log());
  const RunConfig killed = config("killed");
  for (const std::int64_t stage_end : {6, 12}) {
    EXPECT_TRUE(kill_at("killed", [&] { return saving(killed); }));
    // A stage's end is saved, so it grows right now.
    EXPECT_TRUE(kill_at("killed", [&] { return newest_step(killed) >= stage_end; }));
  }
  EXPECT_EQ(run_program(command("killed")), 0) << read_file(log());
  expect_same_run(config("straight"), killed);
}

TEST_F(TrainProgram, LeavesWithItsCodeWhenAskedTo) {
  ASSERT_EQ(run_program(long_command("straight")), 0) << read_file(log());
  const RunConfig stopped = config("stopped");
  for (const int signal : {SIGTERM, SIGUSR1}) {
    const std::int64_t lines = signal == SIGTERM ? 3 : 15;
    Process process(long_command("stopped"), options());
    ASSERT_TRUE(process.wait_until([&] { return lines_of(stopped) >= lines; })) << read_file(log());
    process.send(signal);
    EXPECT_EQ(process.wait(), kExitSavedAndLeft) << read_file(log());
    EXPECT_NE(read_file(log()).find("asked to stop: saved at step"), std::string::npos);
  }
  EXPECT_EQ(run_program(long_command("stopped")), 0) << read_file(log());
  expect_same_run(config("straight"), stopped);
}

// mpirun hands SIGUSR1 on to all ranks. SIGTERM to one rank alone is enough too: they agree.
TEST_F(TrainProgram, LeavesWithItsCodeUnderMpirun) {
  ASSERT_EQ(run_program(mpi_command("straight")), 0) << read_file(log());
  const RunConfig stopped = config("stopped");
  for (const bool one_rank : {false, true}) {
    Process process(mpi_command("stopped"), options());
    const std::int64_t lines = one_rank ? 15 : 3;
    ASSERT_TRUE(process.wait_until([&] { return lines_of(stopped) >= lines; })) << read_file(log());
    if (one_rank) {
      std::ifstream children(text("/proc/", process.id(), "/task/", process.id(), "/children"));
      pid_t first = 0, second = 0;
      ASSERT_TRUE(children >> first >> second);
      ::kill(second, SIGTERM);
    } else {
      process.send(SIGUSR1);
    }
    EXPECT_EQ(process.wait(), kExitSavedAndLeft) << read_file(log());
  }
  EXPECT_EQ(run_program(mpi_command("stopped")), 0) << read_file(log());
  expect_same_run(config("straight"), stopped);
}

// A copy of the program with one byte more behind its end runs as well, but is another build.
TEST_F(TrainProgram, RanksOfAnotherBuildAreRefused) {
  const std::string yaml = kit_.write_yaml("run"), copy = kit_ / "orthotope";
  std::filesystem::copy_file(ORTHO_BINARY, copy);
  std::ofstream(copy, std::ios::app) << '!';
  const std::string train = " train " + yaml;
  const Outcome mixed = run_mpi("-np 1 " ORTHO_BINARY + train + " : -np 1 " + copy + train);
  EXPECT_EQ(mixed.code, 64) << mixed.output;
  expect_in("the program differs between ranks: rank 0 has orthotope 0.", mixed.output);
  EXPECT_FALSE(file_exists(config("run").out + "/metrics.jsonl"));
}

// The same path, but another file behind it.
TEST_F(TrainProgram, RanksThatSeeOtherDataAreRefused) {
  for (const int rank : {0, 1}) {
    make_folder(kit_ / text("node", rank));
    pack_texts(kit_ / text("node", rank, "/data"), 40, rank == 0 ? "." : "s.");
  }
  const std::string train = " " ORTHO_BINARY " train " + kit_.write_yaml("run") +
                            " --set data.train=[data] --set stages.3.data.train=[data]";
  const Outcome mixed = run_mpi("-np 1 -wdir " + (kit_ / "node0") + train + " : -np 1 -wdir " +
                                (kit_ / "node1") + train);
  EXPECT_EQ(mixed.code, 64) << mixed.output;
  expect_in("the data differs between ranks: rank 0 has data ", mixed.output);
}

TEST_F(TrainProgram, AFullDiskKeepsTheEarlierCheckpoint) {
  ASSERT_EQ(run_program(command("straight")), 0) << read_file(log());
  const RunConfig full = config("full");
  {
    Process process(command("full"), options());
    ASSERT_TRUE(process.wait_until([&] { return newest_step(full) >= 6; }));
    process.send(SIGKILL);
  }
  const auto before = newest_state(full);
  const auto size =
      std::filesystem::file_size(list_checkpoints(checkpoints_of(full)).back() + "/rank-0.h5");
  // The next checkpoint does not fit, run.yaml and metrics.jsonl do.
  EXPECT_EQ(run_program(command("full"), static_cast<std::int64_t>(size / 2)), 74)
      << read_file(log());
  const std::string message = read_file(log());
  EXPECT_NE(message.find("rank-0.h5"), std::string::npos) << message;
  const auto after = newest_state(full);
  ASSERT_TRUE(after);
  expect_same_state(*before, *after);
  EXPECT_EQ(run_program(command("full")), 0) << read_file(log());
  expect_same_run(config("straight"), full);
}

}  // namespace
}  // namespace ortho
