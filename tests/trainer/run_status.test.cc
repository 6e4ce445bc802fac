// The status file, and how the times of several starts add up.
#include "trainer/run_status.h"

#include <gtest/gtest.h>

#include "core/file.h"
#include "tests/support/run_kit.h"

namespace ortho {
namespace {

TEST(RunStatus, IsReadAsWritten) {
  const TempFolder folder;
  EXPECT_FALSE(read_status(folder.path()));
  RunStatus status;
  status.attempt = 4;
  status.ending = Ending::failed;
  status.reason = "rank 3 of 8 on node-b: \"disk\" full\n";
  status.code = 74;
  status.step = 120;
  status.spent_sec = 0.1;
  write_status(folder.path(), status);
  const auto read = read_status(folder.path());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->attempt, 4);
  EXPECT_EQ(read->ending, Ending::failed);
  EXPECT_EQ(read->reason, status.reason);
  EXPECT_EQ(read->code, 74);
  EXPECT_EQ(read->step, 120);
  EXPECT_EQ(read->spent_sec, 0.1);
}

TEST(RunStatus, WhatIsNoneIsNone) {
  const TempFolder folder;
  for (const char* content : {"", "{\"attempt\": 1", "{\"attempt\": 1}", "[]"}) {
    write_file_durably(folder / "status.json", content);
    EXPECT_FALSE(read_status(folder.path())) << content;
  }
}

TEST(RunStatus, TheNextStartCountsOn) {
  const TempFolder folder;
  EXPECT_EQ(next_status(folder.path(), 0, -1).attempt, 1);
  RunStatus status;
  status.attempt = 2;
  status.spent_sec = 60;
  write_status(folder.path(), status);
  EXPECT_EQ(next_status(folder.path(), 0, -1).attempt, 3);
  EXPECT_EQ(next_status(folder.path(), 0, -1).spent_sec, 60);
  EXPECT_EQ(next_status(folder.path(), 9, 90).attempt, 9);
  EXPECT_EQ(next_status(folder.path(), 9, 90).spent_sec, 90);
  EXPECT_EQ(goodput_text(45, 60),
            "useful share of time 75 %: 45s of 1m00s went into steps that count");
}

TEST(RunStatus, OfARunSaysHowItEnded) {
  const RunKit kit;
  const RunConfig config = kit.config("run");
  EXPECT_TRUE(run(config));
  const auto status = read_status(config.out);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->ending, Ending::complete);
  EXPECT_EQ(status->step, kRunSteps);
  EXPECT_EQ(status->attempt, 1);
  EXPECT_GT(status->useful_sec, 0);
  EXPECT_GT(status->spent_sec, status->useful_sec);
  EXPECT_TRUE(run(config));  // nothing is left to do; the time is spent all the same
  EXPECT_EQ(read_status(config.out)->attempt, 2);
  EXPECT_EQ(read_status(config.out)->useful_sec, status->useful_sec);
  EXPECT_GT(read_status(config.out)->spent_sec, status->spent_sec);
}

}  // namespace
}  // namespace ortho
