// What a rank notes of itself, and that a watched channel is the same channel.
#include "comm/journal.h"

#include <gtest/gtest.h>

#include <array>

#include "comm/local.h"

namespace ortho {
namespace {

TEST(Journal, KnowsTheOperationThatIsOpen) {
  Journal journal;
  EXPECT_EQ(journal.now().phase, "start");
  journal.enter("step", 7);
  journal.arrive("s_1 to the lines", 96);
  Activity now = journal.now();
  EXPECT_EQ(now.phase, "step");
  EXPECT_EQ(now.step, 7);
  EXPECT_EQ(now.operation, "s_1 to the lines");
  EXPECT_EQ(now.bytes, 96);
  journal.arrive("sum", 8);  // nested
  EXPECT_EQ(journal.now().operation, "sum");
  journal.leave();
  EXPECT_EQ(journal.now().operation, "s_1 to the lines");
  journal.leave();
  const std::int64_t changes = now.changes;
  now = journal.now();
  EXPECT_EQ(now.operation, "");
  EXPECT_EQ(now.number, 2);
  EXPECT_GT(now.changes, changes);
}

TEST(Journal, KeepsTheLastOperations) {
  Journal journal(3);
  for (const int i : {1, 2, 3, 4}) {
    journal.arrive("operation " + std::to_string(i), i);
    if (i < 4) journal.leave();
  }
  const std::vector<Operation> last = journal.last();
  ASSERT_EQ(last.size(), 3u);
  EXPECT_EQ(last.front().what, "operation 2");
  EXPECT_GE(last.front().left_sec, last.front().arrived_sec);
  EXPECT_EQ(last.back().bytes, 4);
  EXPECT_LT(last.back().left_sec, 0);  // still in it
  EXPECT_NE(journal.text().find("never"), std::string::npos);
}

TEST(Journal, AnOperationLongerThanTheRingEndsWell) {
  Journal journal(2);
  journal.arrive("outer", 0);
  for (int i = 0; i < 5; ++i) journal.arrive("inner", i), journal.leave();
  EXPECT_EQ(journal.now().operation, "");  // its place in the ring is another's
  journal.leave();
  for (const Operation& one : journal.last()) EXPECT_EQ(one.what, "inner");
}

TEST(Journal, WatchedChannelsGiveTheSameAndNoteIt) {
  run_local_ranks(3, [](Channel& plain) {
    Journal journal;
    // The ranks' channel stays with who made it: watch a part of it that is all of it.
    const auto channel = watched_channel(plain.split(0), journal);
    EXPECT_EQ(channel->ranks(), 3);
    std::array<double, 2> values = {1.0 + plain.rank(), 0.5};
    channel->sum(std::span<double>(values));
    EXPECT_EQ(values[0], 6.0);
    EXPECT_EQ(values[1], 1.5);
    EXPECT_EQ(channel->max(plain.rank()), 2);
    EXPECT_EQ(channel->gather(std::to_string(plain.rank()))[2], "2");
    const auto part = channel->split(plain.rank() == 0 ? 0 : 1);
    part->barrier();
    std::string names;
    for (const Operation& one : journal.last()) names += one.what + ", ";
    EXPECT_EQ(names, "sum, largest of all ranks, gather, split of the ranks, barrier, ");
    EXPECT_EQ(journal.last().front().bytes, 16);
  });
}

}  // namespace
}  // namespace ortho
