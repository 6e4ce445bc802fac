// deterministic: true. Whole runs end with the same bits, whatever the number of ranks.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/errors.h"
#include "tests/support/run_kit.h"
#include "trainer/mesh_choice.h"
#include "trainer/stage_data.h"

namespace ortho {
namespace {

// Four stages, three growths, dropout, and gradients that are clipped.
RunConfig config_of(const RunKit& kit, const std::string& out) {
  RunConfig config = kit.config(out, "deterministic: true");
  for (StageConfig& stage : config.stages) stage.batch.windows = 16;
  config.optimizer.clip = 0.2;
  return config;
}

void run_on(int ranks, const RunConfig& config) {
  run_local_ranks(ranks, [&](Channel& world) { EXPECT_TRUE(TrainingRun(config, world).go()); });
}

// A growth is probed with windows for each rank, so the largest logit that it meets is another.
std::vector<std::string> without_probes(std::vector<std::string> lines) {
  for (std::string& line : lines) line.resize(std::min(line.size(), line.find(": largest")));
  return lines;
}

// Complete, with the same weights, moments, losses and gradient norms to the bit.
void expect_same_bits(const RunConfig& a, const RunConfig& b) {
  const auto state_a = newest_state(a), state_b = newest_state(b);
  ASSERT_TRUE(state_a && state_b);
  EXPECT_EQ(state_a->step, kRunSteps);
  for (RunState* state : {state_a.get(), state_b.get()})
    state->growths = without_probes(state->growths);
  EXPECT_EQ(state_a->growths.size(), 3u);
  expect_same_state(*state_a, *state_b);
  EXPECT_EQ(without_probes(metric_lines(a)), without_probes(metric_lines(b)));
}

class Deterministic : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(run(one_));
    for (const std::string& line : metric_lines(one_))
      if (line.rfind("step ", 0) == 0) clipped_ += gradient_of(line) > one_.optimizer.clip ? 1 : 0;
    EXPECT_GT(clipped_, 0);
  }
  // "step 3 STAGE LOSS GRADIENT "
  static double gradient_of(const std::string& line) {
    return std::stod(line.substr(line.rfind(' ', line.size() - 2)));
  }
  RunKit kit_;
  const RunConfig one_ = config_of(kit_, "one");
  int clipped_ = 0;
};

TEST_F(Deterministic, TheSameBitsOnAnyRanks) {
  for (const int ranks : {2, 4, 8}) {
    SCOPED_TRACE(text(ranks, " ranks"));
    const RunConfig many = config_of(kit_, text("on", ranks));
    run_on(ranks, many);
    expect_same_bits(one_, many);
  }
}

TEST_F(Deterministic, GoneOnWithOtherRanksIsTheSameRun) {
  const RunConfig straight = config_of(kit_, "straight");
  run_on(4, straight);
  for (const auto& [ranks, step] : {std::pair(1, 8), {2, 12}, {8, 16}}) {
    SCOPED_TRACE(text(ranks, " ranks after step ", step));
    const RunConfig again = config_of(kit_, text("again", step));
    copy_run(straight, again, step);
    run_on(ranks, again);
    expect_same_bits(one_, again);
  }
}

// Without it the order of adding depends on the ranks, and this test would show nothing.
TEST_F(Deterministic, WithoutItTheBitsDiffer) {
  RunConfig one = config_of(kit_, "plain1"), two = config_of(kit_, "plain2");
  one.deterministic = two.deterministic = false;
  ASSERT_TRUE(run(one));
  run_on(2, two);
  EXPECT_NE(without_probes(metric_lines(one)), without_probes(metric_lines(two)));
}

TEST(DeterministicMesh, WhatCannotBeIsRefusedBeforeTheFirstStep) {
  const RunKit kit;
  const auto refusal = [&](int ranks, std::int64_t windows, const MeshConfig& mesh) {
    RunConfig config = config_of(kit, "refused");
    for (StageConfig& stage : config.stages) stage.batch.windows = windows;
    config.stages[2].mesh = mesh;
    const std::string message = message_of([&] { run_on(ranks, config); }, ErrorKind::usage);
    EXPECT_FALSE(file_exists(config.out + "/metrics.jsonl"));
    return message;
  };
  expect_in("works on 1, 2, 4 or 8 ranks, not on 16", refusal(16, 16, {}));
  expect_in("a multiple of 8 windows a step, here are 12. The next is 16", refusal(1, 12, {}));
  expect_in("stage longer, mesh s_1 2: ", refusal(2, 16, {0, {2}}));
  expect_in("cuts the batch alone", refusal(2, 16, {0, {2}}));
}

TEST(DeterministicMesh, AutoCutsTheBatchAlone) {
  const RunKit kit;
  const RunConfig config = config_of(kit, "auto");
  for (const Stage& stage : plan_run(config, run_vocabulary(config).size()).stages) {
    const MeshChoice choice = choose_mesh(stage, config, 4);
    ASSERT_EQ(choice.meshes.size(), 1u);
    EXPECT_EQ(choice.best().cuts.batch, 4);
  }
}

}  // namespace
}  // namespace ortho
