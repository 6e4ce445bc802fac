#include "trainer/stage.h"

#include <gtest/gtest.h>

#include <array>

#include "core/error.h"

namespace ortho {
namespace {

// Three stages: 4 tokens, then 8, then 8 with dropout only.
RunConfig sample() {
  RunConfig config;
  StageConfig stage;
  stage.name = std::string("a");
  stage.model.tokens = {2, 2};
  stage.model.channels = 8;
  stage.model.hidden = 4;
  stage.batch.tokens = 30;
  stage.until.steps = 10;
  config.stages.push_back(stage);
  stage.model.tokens = {2, 2, 2};
  stage.until.steps = 20;
  config.stages.push_back(stage);
  stage.model.dropout = 0.1;
  stage.batch = {5, 0};
  config.stages.push_back(stage);
  return config;
}

TEST(Stage, PlansStepsWindowsAndFlops) {
  const RunPlan plan = plan_run(sample(), 11);
  ASSERT_EQ(plan.stages.size(), 3u);
  const auto& s = plan.stages;
  EXPECT_EQ(s[0].windows, 7);  // 30 / 4, rounded down
  EXPECT_EQ(s[1].windows, 3);
  EXPECT_EQ(s[2].windows, 5);
  EXPECT_EQ(s[0].tokens, 28);
  EXPECT_EQ(s[2].tokens, 40);
  EXPECT_EQ(s[0].config.model.text_symbols, 11);
  EXPECT_EQ(s[1].first_step, 10);
  EXPECT_EQ(s[2].first_step, 30);
  EXPECT_EQ(plan.steps, 50);
  EXPECT_FALSE(s[0].grown);
  EXPECT_TRUE(s[1].grown);
  EXPECT_FALSE(s[2].grown);  // dropout has no weights
  // Whole numbers far below 2^53: exact.
  const double macs = forward_macs(s[0].config.model).executed;
  EXPECT_EQ(s[0].flops_per_step, 6 * macs * 28);
  EXPECT_EQ(plan.flops,
            10 * s[0].flops_per_step + 20 * s[1].flops_per_step + 20 * s[2].flops_per_step);
}

TEST(Stage, TheDefaultRecipesCost) {
  RunConfig config;
  StageConfig stage;
  stage.name = std::string("default");
  stage.model.tokens = {2, 2, 2, 2, 2, 2};
  stage.batch.windows = 12;
  stage.until.steps = 2000;
  config.stages = {stage};
  const RunPlan plan = plan_run(config, 65);
  EXPECT_EQ(plan.stages[0].tokens, 768);
  EXPECT_EQ(plan.stages[0].flops_per_step, 6.0 * 812032 * 768);  // docs: executed MAC a character
}

TEST(Stage, FlopsBecomeTheNearestNumberOfSteps) {
  RunConfig config = sample();
  const double per_step = plan_run(config, 11).stages[0].flops_per_step;
  for (const auto& [share, steps] : {std::pair(7.4, 7), std::pair(7.6, 8), std::pair(0.01, 1)}) {
    config.stages[0].until = {0, share * per_step, {}};
    EXPECT_EQ(plan_run(config, 11).stages[0].steps, steps);
  }
  config.stages[0].until = {0, 1e30, {}};
  EXPECT_THROW(plan_run(config, 11), Error);
}

TEST(Stage, StageOfEveryStep) {
  const RunPlan plan = plan_run(sample(), 11);
  EXPECT_EQ(stage_of(plan, 0), 0u);
  EXPECT_EQ(stage_of(plan, 9), 0u);
  EXPECT_EQ(stage_of(plan, 10), 1u);
  EXPECT_EQ(stage_of(plan, 29), 1u);
  EXPECT_EQ(stage_of(plan, 30), 2u);
  EXPECT_EQ(stage_of(plan, 49), 2u);
  EXPECT_THROW(stage_of(plan, 50), Error);
  EXPECT_THROW(stage_of(plan, -1), Error);
}

TEST(Stage, FlopsBeforeAddUp) {
  const RunPlan plan = plan_run(sample(), 11);
  double sum = 0;
  for (std::int64_t step = 0; step < plan.steps; ++step) {
    EXPECT_EQ(flops_before(plan, step), sum);  // whole numbers: exact
    sum += plan.stages[stage_of(plan, step)].flops_per_step;
  }
  EXPECT_EQ(flops_before(plan, plan.steps), sum);
  EXPECT_EQ(plan.flops, sum);
}

TEST(Stage, AStageThatEndedEarlyMovesTheRest) {
  const std::array<std::int64_t, 1> ended = {6};
  const RunPlan plan = plan_run(sample(), 11, ended);
  EXPECT_EQ(plan.stages[0].steps, 6);
  EXPECT_EQ(plan.stages[1].first_step, 6);
  EXPECT_EQ(plan.steps, 46);
  EXPECT_EQ(stage_of(plan, 6), 1u);
  EXPECT_LT(plan.flops, plan_run(sample(), 11).flops);
  // The config gives it fewer steps than it ran by now: what was run counts.
  const std::array<std::int64_t, 1> longer = {11};
  EXPECT_EQ(plan_run(sample(), 11, longer).stages[1].first_step, 11);
  const std::array<std::int64_t, 1> nothing = {0};
  EXPECT_THROW(plan_run(sample(), 11, nothing), Error);
}

TEST(Stage, SpecIsChecked) {
  RunConfig config = sample();
  config.stages[1].model.weights = Weights::separate;  // joint maps share their weights
  EXPECT_THROW(plan_run(config, 11), Error);
}

TEST(Stage, Plateau) {
  const PlateauConfig plateau{3, 0.5};
  const std::vector<double> falling = {9, 9, 9, 8, 8, 8};
  const std::vector<double> flat = {100, 9, 9, 9, 8.6, 8.6, 8.6};
  EXPECT_FALSE(on_plateau(plateau, falling));
  EXPECT_TRUE(on_plateau(plateau, flat));
  EXPECT_FALSE(on_plateau(plateau, std::span(flat).last(5)));    // not twice `over` steps yet
  EXPECT_FALSE(on_plateau({3, 1.0}, falling));                   // falls by exactly 1.0: not less
  EXPECT_FALSE(on_plateau({0, 0.5}, flat));                      // off
  EXPECT_TRUE(on_plateau({1, 0.0}, std::vector<double>{1, 2}));  // rises
}

}  // namespace
}  // namespace ortho
