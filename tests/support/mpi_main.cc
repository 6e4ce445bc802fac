// GoogleTest's main under mpirun: every rank runs
// every test, all ranks leave with the same verdict.
//
// Rank 0 reports as usual; the others say only what failed on them,
// each line with its rank. A test that takes longer than 60 s is named
// and the process ends with 70, which makes mpirun end the others.
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>

#include "comm/mpi.h"

namespace ortho {
namespace {

constexpr int kDeadlineSec = 60;
constexpr int kHangCode = 70;
constexpr int kUsageCode = 64;

std::string full_name(const testing::TestInfo& test) {
  return std::string(test.test_suite_name()) + "." + test.name();
}

// Takes the place of GoogleTest's printer on all ranks but 0.
class FailurePrinter final : public testing::EmptyTestEventListener {
 public:
  explicit FailurePrinter(int rank) : rank_(rank) {}

  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::istringstream lines(result.message());
    print(std::string(result.file_name() == nullptr ? "?" : result.file_name()) + ":" +
          std::to_string(result.line_number()) + ": Failure");
    for (std::string line; std::getline(lines, line);) print(line);
  }

  void OnTestEnd(const testing::TestInfo& test) override {
    if (test.result()->Failed()) print("FAILED " + full_name(test));
  }

 private:
  void print(const std::string& line) const {
    std::fprintf(stderr, "[rank %d] %s\n", rank_, line.c_str());
  }

  int rank_;
};

// A thread that ends the process when one test takes longer than the deadline.
class Watchdog final : public testing::EmptyTestEventListener {
 public:
  Watchdog(int rank, int deadline_sec)
      : rank_(rank), deadline_sec_(deadline_sec), thread_([this] { watch(); }) {}
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog() override {
    note("", true);
    thread_.join();
  }

  void OnTestStart(const testing::TestInfo& test) override { note(full_name(test), false); }
  // The other ranks may be late and the verdict too, so the time between tests is watched as well.
  void OnTestEnd(const testing::TestInfo& test) override {
    note("after " + full_name(test), false);
  }

 private:
  void note(const std::string& activity, bool ends) {
    const std::lock_guard lock(mutex_);
    activity_ = activity;
    ends_ = ends;
    ++changes_;
    changed_.notify_all();
  }

  void watch() {
    std::unique_lock lock(mutex_);
    while (!ends_) {
      const long seen = changes_;
      if (changed_.wait_for(lock, std::chrono::seconds(deadline_sec_),
                            [&] { return changes_ != seen; }))
        continue;
      std::fprintf(stderr, "[rank %d] HANGS for %d s: %s\n", rank_, deadline_sec_,
                   activity_.c_str());
      std::fflush(nullptr);
      std::_Exit(kHangCode);
    }
  }

  const int rank_;
  const int deadline_sec_;
  std::mutex mutex_;  // guards the four below
  std::condition_variable changed_;
  std::string activity_ = "before the first test";
  long changes_ = 0;
  bool ends_ = false;
  std::thread thread_;  // last: it uses all of the above
};

// 0: every test passed on every rank, and there was at least one.
int run_tests(Channel& world, int deadline_sec) {
  testing::TestEventListeners& listeners = testing::UnitTest::GetInstance()->listeners();
  if (world.rank() != 0) {
    // GoogleTest's way: we own it now
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailurePrinter(world.rank()));  // and it owns this one
  }
  Watchdog watchdog(world.rank(), deadline_sec);
  listeners.Append(&watchdog);
  const bool passed =
      RUN_ALL_TESTS() == 0 && testing::UnitTest::GetInstance()->test_to_run_count() > 0;
  const bool all_passed = world.max(passed ? 0 : 1) == 0;
  listeners.Release(&watchdog);
  if (!all_passed && passed && world.rank() == 0) {
    std::printf("[  FAILED  ] on another rank; see the lines marked with its number\n");
  }
  return all_passed ? 0 : 1;
}

}  // namespace
}  // namespace ortho

// The rank count is given twice, to mpirun and here: ranks that mpirun's library did not join would
// each be alone and pass every test.
int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const ortho::MpiSession session;
  const std::unique_ptr<ortho::Channel> world = ortho::make_world_channel();
  const int expected_ranks = argc > 1 ? std::atoi(argv[1]) : 0;
  if (world->ranks() != expected_ranks) {
    std::fprintf(stderr, "%s: %d ranks joined, %d were expected\n", argv[0], world->ranks(),
                 expected_ranks);
    return ortho::kUsageCode;
  }
  return ortho::run_tests(*world, argc > 2 ? std::atoi(argv[2]) : ortho::kDeadlineSec);
}
