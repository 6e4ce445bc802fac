// A run on 1, 2 and 4 ranks: the same samples and, but for rounding, the same losses.
#include <gtest/gtest.h>

#include <cmath>

#include "comm/agree.h"
#include "comm/mpi.h"
#include "dataio/loader.h"
#include "tests/support/run_kit.h"
#include "trainer/stage_data.h"
#include "trainer/stop_flag.h"

namespace ortho {
namespace {

class Run : public testing::Test {
 protected:
  // Rank 0 packs the corpora, and it alone knows their folder; all get its configs.
  void SetUp() override {
    if (world_->rank() == 0) kit_ = std::make_unique<RunKit>();
  }
  void TearDown() override {
    request_stop(false);
    world_->barrier();  // before rank 0 removes the folder
  }
  RunConfig config(const std::string& name) {
    const std::string yaml = world_->gather(kit_ ? kit_->yaml(name) : "").front();
    return parse_config(parse_yaml(yaml, "run.yaml"));
  }
  bool run_all(const RunConfig& config) { return TrainingRun(config, *world_).go(); }

  const std::unique_ptr<Channel> world_ = make_world_channel();
  std::unique_ptr<RunKit> kit_;
};

// Gradients of the ranks' windows are added in another order than inside one rank's GEMM,
// so floats round differently, and Adam hands the rounding on to the weights.
// Measured over these 24 steps with three growths, dropout and random padding:
// 3e-8 of a loss with 2 and with 4 ranks, whatever is cut. 1e-6 leaves room for other machines;
// a window lost or another dropout mask changes a loss by more than 1e-3.
constexpr double kTolerance = 1e-6;

class Losses : public Run {
 protected:
  // The run on all ranks has the losses of the same run on one, and ends where it does.
  void expect_those_of_one_rank(const RunConfig& many) {
    const RunConfig one = config("one");
    ASSERT_TRUE(run_all(many));
    if (world_->rank() != 0) return;
    ASSERT_TRUE(run(one));
    const std::vector<double> losses = step_losses(many), expected = step_losses(one);
    ASSERT_EQ(losses.size(), expected.size());
    double largest = 0;
    for (size_t i = 0; i < losses.size(); ++i) {
      EXPECT_NEAR(losses[i], expected[i], kTolerance * expected[i]) << "step " << i + 1;
      largest = std::max(largest, std::abs(losses[i] / expected[i] - 1));
    }
    RecordProperty("largest_relative_difference", std::to_string(largest));
    std::printf("largest relative difference of a loss: %g\n", largest);
    const auto state = newest_state(many), expected_state = newest_state(one);
    EXPECT_EQ(state->cursors, expected_state->cursors);
    EXPECT_EQ(state->ended, expected_state->ended);
    EXPECT_EQ(state->tokens, expected_state->tokens);
    EXPECT_EQ(state->growths.size(), 3u);
    if (world_->ranks() == 1) expect_same_run(many, one);
  }
};

TEST_F(Losses, AreThoseOfOneRank) { expect_those_of_one_rank(config("many")); }

// From the second stage on: while T is 1 there is nothing else to cut.
TEST_F(Losses, WithCutTokenAxesToo) {
  RunConfig many = config("many");
  const std::int64_t ranks = world_->ranks();
  if (ranks > 1) {
    many.stages[0].mesh = {ranks, {}};
    many.stages[1].mesh = {0, {2, ranks / 2}};
    many.stages[2].mesh = {ranks / 2, {2}};
    many.stages[3].mesh = {ranks / 2, {1, 2}};
  }
  expect_those_of_one_rank(many);
}

TEST_F(Run, StoppedAndGoneOnIsTheSame) {
  const RunConfig straight = config("straight"), stopped = config("stopped");
  ASSERT_TRUE(run_all(straight));
  for (const int start : {0, 1, 2}) {  // one step each; only the last rank is asked
    request_stop(world_->rank() == world_->ranks() - 1);
    ASSERT_FALSE(run_all(stopped)) << start;
  }
  request_stop(false);
  ASSERT_TRUE(run_all(stopped));
  if (world_->rank() == 0) expect_same_run(straight, stopped);
}

TEST_F(Run, GoesOnOnAnotherNumberOfRanks) {
  const RunConfig moved = config("moved");
  request_stop(true);
  ASSERT_FALSE(run_all(moved));
  request_stop(false);
  if (world_->rank() == 0) {
    ASSERT_TRUE(run(moved));
    EXPECT_EQ(newest_state(moved)->step, kRunSteps);
  }
}

TEST_F(Run, SamplesAreThoseOfOneRank) {
  const RunConfig run_config = config("samples");
  const Vocabulary vocabulary = run_vocabulary(run_config);
  const RunPlan plan = plan_run(run_config, vocabulary.size());
  for (const Stage& stage : plan.stages) {
    const Dataset data(stage.config.data.train, Split::train);
    Loader mine(data, vocabulary,
                loader_options(stage, Objective::next_token, 3, world_->rank(), world_->ranks()));
    Loader all(data, vocabulary, loader_options(stage, Objective::next_token, 3, 0, 1));
    for (int later = 0; later < 3;) {  // into the second epoch
      const Batch part = mine.next(), whole_batch = all.next();
      ASSERT_EQ(part.windows * world_->ranks(), whole_batch.windows);
      for (std::int64_t t = 0; t < part.tokens; ++t)
        for (std::int64_t w = 0; w < part.windows; ++w) {
          const auto here = static_cast<size_t>(t * part.windows + w);
          const auto there = static_cast<size_t>(t * whole_batch.windows + part.first_window + w);
          ASSERT_EQ(part.input[here], whole_batch.input[there]);
          ASSERT_EQ(part.target[here], whole_batch.target[there]);
        }
      ASSERT_EQ(mine.cursor(), all.cursor());
      if (mine.cursor().epoch > 0) ++later;
    }
  }
}

// Rank 0 alone meets the file that is no folder; all ranks leave with its error.
TEST_F(Run, OneRanksFailureIsEveryones) {
  RunConfig failing = config("failing");
  if (kit_) write_file_durably(failing.out, "a file where the run folder should be");
  world_->barrier();
  try {
    run_all(failing);
    ADD_FAILURE() << "accepted";
  } catch (const SharedError& error) {
    EXPECT_EQ(error.kind(), ErrorKind::disk) << error.what();
    for (const std::string& other : world_->gather(error.what())) EXPECT_EQ(other, error.what());
  }
}

}  // namespace
}  // namespace ortho
