// verify: a line for each thing, and 65 when any is damaged.
#include <gtest/gtest.h>

#include "tests/support/errors.h"
#include "tests/support/program.h"
#include "tests/support/run_kit.h"

namespace ortho {
namespace {

class Verify : public testing::Test {
 protected:
  void SetUp() override {
    RunConfig config = kit_.config("run");
    config.stages.resize(2);
    ASSERT_TRUE(run(config));  // saves at 4, 6, 8 and 12
    checkpoints_ = list_checkpoints(checkpoints_of(config));
    ASSERT_EQ(checkpoints_.size(), 4u);
  }
  // In the middle of the file at several places: some lie between the arrays.
  static void damage(const std::string& path) {
    std::string bytes = read_file(path);
    for (size_t at = bytes.size() / 4; at < bytes.size(); at += bytes.size() / 8)
      bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    write_file_durably(path, bytes);
  }

  RunKit kit_;
  std::vector<std::string> checkpoints_;
};

TEST_F(Verify, ARunAndItsDataAreWhole) {
  const Outcome outcome = run_program("verify " + (kit_ / "run") + " " + kit_.texts());
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  for (const std::string& path : checkpoints_)
    expect_in("ok       checkpoint " + path, outcome.output);
  expect_in("ok       run file ", outcome.output);
  expect_in("ok       metrics ", outcome.output);
  expect_in("ok       shard " + kit_.texts() + "/shard-0000.h5", outcome.output);
}

TEST_F(Verify, WhatIsDamagedIsNamedAndTheRestIsStillRead) {
  damage(checkpoints_[1] + "/rank-0.h5");
  write_file_durably(kit_ / "run" + "/metrics.jsonl", "{\"event\": \"step\"}\n");
  std::filesystem::remove(checkpoints_[3] + "/MANIFEST");
  const Outcome outcome = run_program("verify " + (kit_ / "run"));
  EXPECT_EQ(outcome.code, 65) << outcome.output;
  expect_in("DAMAGED  checkpoint " + checkpoints_[1] + ": ", outcome.output);
  expect_in("metrics.jsonl:1: a line of metrics without a step", outcome.output);
  expect_in(checkpoints_[3] + " was not finished: it is never loaded", outcome.output);
  expect_in("ok       checkpoint " + checkpoints_[2], outcome.output);
  expect_in("2 damaged.", outcome.output);
}

TEST_F(Verify, WhatIsNotThereIsAMistake) {
  const Outcome outcome = run_program("verify " + (kit_ / "none"));
  EXPECT_EQ(outcome.code, 64) << outcome.output;
}

// inspect shows where each checkpoint came from.
TEST_F(Verify, TheLineageIsShown) {
  std::filesystem::remove_all(checkpoints_[3]);
  const Outcome outcome = run_program("inspect " + (kit_ / "run"));
  expect_in("step-0000000012: stage 2, mesh ", outcome.output);
  expect_in(", after step-0000000008\n", outcome.output);
  expect_in(", after step-0000000004, which is removed\n", outcome.output);
}

}  // namespace
}  // namespace ortho
