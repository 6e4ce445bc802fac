// A run's checkpoint on other ranks than those that saved it, and what one rank's damage does.
#include "trainer/resume.h"

#include "tests/support/errors.h"
#include "tests/support/run_kit.h"
#include "tests/support/sharded_state.h"
#include "trainer/checkpoint.h"

namespace ortho {
namespace {

class Resume : public testing::Test {
 protected:
  void SetUp() override {
    config_.stages.resize(1);
    ASSERT_TRUE(run(config_));  // saves at 4 and 6
  }
  std::unique_ptr<RunState> resume(Channel& world) const {
    const StageSharding sharding_of = [&](const Stage& stage) {
      return Sharding(stage.config.model, stage.windows, Cuts{world.ranks(), {}, 1}, world.rank());
    };
    return resume_run(world, checkpoints_of(config_), config_, Vocabulary(), sharding_of);
  }
  // Two ranks go on from the newest checkpoint and save their halves as step 7.
  std::string save_on_two_ranks() const {
    run_local_ranks(2, [&](Channel& world) {
      const auto state = resume(world);
      state->step = 7;
      save_checkpoint(world, checkpoints_of(config_), *state, config_, 9);
    });
    return list_checkpoints(checkpoints_of(config_)).front();
  }

  RunKit kit_;
  RunConfig config_ = kit_.config("run");
};

TEST_F(Resume, OnAnyNumberOfRanks) {
  const auto all = newest_state(config_);
  for (const int ranks : {2, 3})
    run_local_ranks(ranks, [&](Channel& world) {
      const auto state = resume(world);
      ASSERT_TRUE(state);
      EXPECT_LT(state->optimizer.first.size(), all->optimizer.first.size());
      expect_part_of(*all, *state);
      EXPECT_EQ(state->step, all->step);
      EXPECT_EQ(state->cursors, all->cursors);
      EXPECT_EQ(state->vocabulary.code_points(), all->vocabulary.code_points());
    });
  save_on_two_ranks();
  const auto again = newest_state(config_);  // by one rank what two have saved
  EXPECT_EQ(again->step, 7);
  expect_part_of(*all, *again);
}

// Only rank 1 reads its own moments: rank 0 goes back with it.
TEST_F(Resume, WhatOneRankCannotReadNobodyUses) {
  const std::string path = save_on_two_ranks(), file = path + "/rank-1.h5";
  std::string bytes = read_file(file), said;
  run_local_ranks(2, [&](Channel& world) {
    const auto state = resume(world);
    ASSERT_EQ(state->step, 7);
    if (world.rank() != 1) return;
    const std::int64_t middle = state->optimizer.first.size() / 2;
    const auto* numbers = reinterpret_cast<const char*>(state->optimizer.first.data() + middle);
    const size_t at = bytes.find(std::string(numbers, 8));
    ASSERT_NE(at, std::string::npos);
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
  });
  write_file_durably(file, bytes);
  testing::internal::CaptureStderr();
  run_local_ranks(2, [&](Channel& world) { EXPECT_EQ(resume(world)->step, 6); });
  said = testing::internal::GetCapturedStderr();
  for (const char* part : {"cannot be used", "rank-1.h5", "array first/", "have checksum "})
    expect_in(part, said);
  std::filesystem::remove(file);
  run_local_ranks(2, [&](Channel& world) { EXPECT_EQ(resume(world)->step, 6); });
}

TEST_F(Resume, AllDamagedIsRefusedByAllRanks) {
  for (const std::string& path : list_checkpoints(checkpoints_of(config_)))
    std::filesystem::remove(path + "/rank-0.h5");
  run_local_ranks(2, [&](Channel& world) {
    expect_in("none of the 2 checkpoints", message_of([&] { resume(world); }, ErrorKind::data));
  });
}

TEST_F(Resume, WithoutACheckpointThereIsNoState) {
  std::filesystem::remove_all(checkpoints_of(config_));
  run_local_ranks(2, [&](Channel& world) { EXPECT_EQ(resume(world), nullptr); });
}

}  // namespace
}  // namespace ortho
