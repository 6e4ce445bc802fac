// When a rank counts as hung, and that the watchdog says so, reports, and ends it.
#include "comm/watchdog.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "core/file.h"
#include "tests/support/temp_folder.h"

namespace ortho {
namespace {

WatchRule quick_rule() {
  WatchRule rule;
  rule.name_after_sec = 0.3;
  rule.deadline_sec = rule.slow_deadline_sec = 0.6;
  return rule;
}

Activity in_step(std::int64_t step, std::int64_t changes) {
  Activity activity;
  activity.phase = "step";
  activity.step = step;
  activity.begun = step + 1;
  activity.changes = changes;
  return activity;
}

TEST(Patience, FirstStepsAndOtherPhasesMayBeSlow) {
  WatchRule rule;
  Patience patience(rule);
  Activity start;
  start.phase = "start";
  patience.look(start, 0.25);
  EXPECT_EQ(patience.allowed_sec(), rule.slow_deadline_sec);
  for (int step = 0; step < 3; ++step) {
    patience.look(in_step(step, step + 1), 0.25);
    EXPECT_EQ(patience.allowed_sec(), step < 2 ? rule.slow_deadline_sec : rule.deadline_sec);
  }
  Activity save = in_step(3, 9);
  save.phase = "save";
  patience.look(save, 0.25);
  EXPECT_EQ(patience.allowed_sec(), rule.slow_deadline_sec);
}

TEST(Patience, GrowsWithTheLongestQuietSoFar) {
  Patience patience({});
  std::int64_t changes = 0;
  for (int step = 0; step < 5; ++step) {
    patience.look(in_step(step, ++changes), 1);
    for (int i = 0; i < 20; ++i) patience.look(in_step(step, changes), 1);  // computes for 20 s
    EXPECT_EQ(patience.quiet_sec(), 20);
  }
  EXPECT_EQ(patience.allowed_sec(), 100);
  EXPECT_EQ(patience.named_sec(), 100);
}

// Its host slept, or someone stopped it: the other ranks have waited, this one has not hung.
TEST(Patience, ALongGapBetweenLooksIsNoQuiet) {
  Patience patience({});
  patience.look(in_step(1, 1), 0.25);
  patience.look(in_step(1, 1), 3600);
  EXPECT_EQ(patience.quiet_sec(), 1);
}

TEST(Watchdog, EndsAHungRankAndLeavesItsOperations) {
  const TempFolder folder;
  WatchRule rule = quick_rule();
  rule.dump = folder / "faults/rank-1.txt";
  Journal journal;
  journal.enter("step", 41);
  journal.arrive("block 0, s_1 to the lines", 4096);
  std::atomic<bool> ended = false;
  testing::internal::CaptureStderr();
  {
    const Watchdog watchdog(journal, 1, 2, "node-b", rule, [&] {
      ::alarm(0);  // the watchdog's own, for an end that hangs
      ended = true;
    });
    for (int i = 0; i < 100 && !ended; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(ended);
  for (const char* part : {"on node-b: no progress for", "block 0, s_1 to the lines (4096 bytes)",
                           "of step 42, phase step", "Ending the job with 70"})
    EXPECT_NE(said.find(part), std::string::npos) << part << " in " << said;
  const std::string dump = read_file(rule.dump);
  EXPECT_NE(dump.find("rank 1 of 2 on node-b"), std::string::npos) << dump;
  EXPECT_NE(dump.find("never  4096  step 41  block 0, s_1 to the lines"), std::string::npos)
      << dump;
}

TEST(Watchdog, LetsARankThatMovesLive) {
  Journal journal;
  std::atomic<bool> ended = false;
  {
    const Watchdog watchdog(journal, 0, 2, "node-a", quick_rule(), [&] { ended = true; });
    for (int i = 0; i < 20; ++i) {  // 2 s, over three times what a hang takes
      journal.enter("step", i);
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
  EXPECT_FALSE(ended);
}

TEST(Beats, ReachTheSupervisorAndNobodyElse) {
  BeatListener listener("token");
  const std::string address = "127.0.0.1:" + std::to_string(listener.port());
  BeatSender sender(address, "token"), stranger(address, "other");
  Beat beat;
  beat.rank = 3;
  beat.host = "node-\"b\"";
  beat.quiet_sec = 1.5;
  beat.allowed_sec = 30;
  beat.activity.phase = "step";
  beat.activity.operation = "sum";
  beat.activity.number = 812;
  EXPECT_TRUE(stranger.send(beat));
  EXPECT_TRUE(sender.send(beat));
  EXPECT_TRUE(sender.send(beat));
  std::vector<Beat> got;
  for (int i = 0; i < 100 && got.size() < 2; ++i) {
    for (const Beat& one : listener.take()) got.push_back(one);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  for (const Beat& one : listener.take()) got.push_back(one);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].host, beat.host);
  EXPECT_EQ(got[1].rank, 3);
  EXPECT_EQ(got[1].activity.operation, "sum");
  EXPECT_EQ(got[1].activity.number, 812);
  EXPECT_EQ(got[1].quiet_sec, 1.5);
}

TEST(Beats, ASupervisorThatIsGoneIsNoticed) {
  std::string address;
  {
    const BeatListener listener("token");
    address = "127.0.0.1:" + std::to_string(listener.port());
  }
  BeatSender sender(address, "token");
  EXPECT_FALSE(sender.send({}));
}

TEST(Beats, LinesThatAreNoBeatAreRefused) {
  Beat beat;
  for (const char* line : {"", "GET / HTTP/1.1", "{}", "{\"token\": \"token\", \"rank\": \"x\"}"})
    EXPECT_FALSE(read_beat(line, "token", beat)) << line;
}

TEST(Beats, KnowTheNetworkOfThisHost) {
  EXPECT_EQ(address_towards("127.0.0.1"), "127.0.0.1");
  EXPECT_EQ(network_of("127.0.0.1"), "127.0.0.0/8");
  EXPECT_EQ(address_in("127.0.0.0/8"), "127.0.0.1");
  EXPECT_EQ(address_in("203.0.113.77/32"), "");  // reserved for documentation
  EXPECT_THROW(address_in("127.0.0.1"), Error);
}

}  // namespace
}  // namespace ortho
