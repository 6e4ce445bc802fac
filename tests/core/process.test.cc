#include "core/process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "core/file.h"
#include "tests/support/errors.h"
#include "tests/support/temp_folder.h"

namespace ortho {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point began) {
  return std::chrono::duration<double>(Clock::now() - began).count();
}

// Whether `id` is there and no zombie.
bool lives(pid_t id) {
  if (::kill(id, 0) != 0) return false;
  const std::string path = text("/proc/", id, "/stat");
  FILE* file = std::fopen(path.c_str(), "r");
  if (file == nullptr) return false;
  char state = 'Z';
  const int read = std::fscanf(file, "%*d %*s %c", &state);
  std::fclose(file);
  return read == 1 && state != 'Z';
}

TEST(Process, WordsReachTheProgramAsTheyAre) {
  Process process({"printf", "%s|", "a b", "$HOME", "c'd\"", "", "*"});
  EXPECT_EQ(process.wait(), 0);
  EXPECT_EQ(process.take_output(), "a b|$HOME|c'd\"||*|");
}

TEST(Process, TellsExitCodesAndSignals) {
  EXPECT_EQ(Process({"sh", "-c", "exit 75"}).wait(), 75);
  EXPECT_EQ(Process({"sh", "-c", "kill -9 $$"}).wait(), 128 + SIGKILL);
}

TEST(Process, AProgramThatCannotStartIsNamed) {
  expect_in("cannot start no-such-program: there is no such program",
            message_of([] { Process({"no-such-program"}); }, ErrorKind::usage));
  TempFolder folder;
  write_file_durably(folder / "text", "no program\n");
  ASSERT_EQ(::chmod((folder / "text").c_str(), 0755), 0);
  expect_in("Exec format error", message_of([&] { Process({folder / "text"}); }, ErrorKind::usage));
  expect_in("No such file",
            message_of([&] { Process({"true"}, {.folder = folder / "none"}); }, ErrorKind::usage));
}

TEST(Process, EnvironmentFolderAndLog) {
  TempFolder folder;
  ::setenv("ORTHO_TEST_KEPT", "kept", 1);
  Process process(
      {"sh", "-c", "echo $ORTHO_TEST_KEPT $ORTHO_TEST_NEW; pwd; echo trouble >&2; cat"},
      {.environment = {{"ORTHO_TEST_NEW", "a b"}}, .folder = folder.path(), .log = folder / "log"});
  EXPECT_EQ(process.wait(), 0) << "cat ends, for there is no input";
  EXPECT_EQ(read_file(folder / "log"), "kept a b\n" + folder.path() + "\ntrouble\n");
  EXPECT_EQ(process.take_output(), "");
}

// Far more than a pipe holds: who does not read it would wait for ever.
TEST(Process, MuchOutputIsReadWhileItWaits) {
  Process process({"sh", "-c", "head -c 1000000 /dev/zero"});
  ASSERT_EQ(process.wait_for(20), 0);
  EXPECT_EQ(process.take_output().size(), 1000000u);
}

TEST(Process, AWriteBeyondTheLimitFails) {
  TempFolder folder;
  Process process({"dd", "if=/dev/zero", "of=" + (folder / "file"), "bs=1000", "count=100"},
                  {.max_file_bytes = 50000});
  EXPECT_EQ(process.wait(), 1);
  expect_in("File too large", process.take_output());
}

TEST(Process, WaitForGivesUpAndEndInsists) {
  const auto began = Clock::now();
  Process process({"sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"});
  std::string said;
  ASSERT_TRUE(process.wait_until([&] { return !(said += process.take_output()).empty(); }));
  EXPECT_EQ(process.wait_for(0.05), std::nullopt);
  EXPECT_EQ(process.end(0.1), 128 + SIGKILL);
  EXPECT_LT(seconds_since(began), 20);
}

// Its children too, also one that left its group.
TEST(Process, NothingIsLeftBehind) {
  pid_t own = 0;
  std::vector<pid_t> others;
  {
    Process process({"sh", "-c", "sleep 1000 & setsid sleep 1000 & echo started; wait"});
    ASSERT_TRUE(process.wait_until([&] { return descendants(process.id()).size() == 2; }));
    own = process.id();
    others = descendants(own);
    EXPECT_TRUE(lives(own));
  }
  EXPECT_FALSE(lives(own));
  const auto began = Clock::now();
  for (const pid_t other : others)
    while (lives(other)) ASSERT_LT(seconds_since(began), 20) << other;
}

}  // namespace
}  // namespace ortho
