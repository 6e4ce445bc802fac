#include "trainer/schedule.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numbers>

namespace ortho {
namespace {

using Decay = OptimizerConfig::Decay;

// Two or three products and a cosine in double: a few ulp, far below any rate's meaning.
constexpr double kRounding = 1e-15;

RunConfig one_stage(std::int64_t steps) {
  RunConfig config;
  StageConfig stage;
  stage.name = std::string("only");
  stage.model.tokens = {2, 2};
  stage.batch.windows = 12;
  stage.until.steps = steps;
  config.stages = {stage};
  return config;
}

RunConfig grown(std::int64_t first, std::int64_t second) {
  RunConfig config = one_stage(first);
  config.stages.push_back(config.stages[0]);
  config.stages[1].model.tokens = {2, 2, 2};
  config.stages[1].until.steps = second;
  return config;
}

double rate(const OptimizerConfig& optimizer, const RunPlan& plan, std::int64_t step) {
  return learning_rate(optimizer, schedule_point(optimizer, plan, step));
}

TEST(Schedule, TheDefaultRecipe) {
  const OptimizerConfig optimizer;  // lr 4e-3, warm-up 100, cosine to 0.1
  const RunPlan plan = plan_run(one_stage(2000), 65);
  EXPECT_NEAR(rate(optimizer, plan, 0), 4e-3 / 100, kRounding);
  EXPECT_NEAR(rate(optimizer, plan, 49), 4e-3 / 2, kRounding);
  EXPECT_NEAR(rate(optimizer, plan, 99), 4e-3, kRounding);
  for (const std::int64_t step : {100, 101, 700, 1050, 1999}) {
    const double tau = static_cast<double>(step - 100) / 1900;
    EXPECT_NEAR(rate(optimizer, plan, step),
                4e-3 * (0.1 + 0.45 * (1 + std::cos(std::numbers::pi * tau))), kRounding)
        << step;
  }
}

TEST(Schedule, LinearAndConstant) {
  OptimizerConfig optimizer;
  const RunPlan plan = plan_run(one_stage(300), 65);
  optimizer.decay = Decay::linear;
  EXPECT_NEAR(rate(optimizer, plan, 200), 4e-3 * (0.1 + 0.9 * 0.5), kRounding);
  optimizer.decay = Decay::constant;
  EXPECT_EQ(rate(optimizer, plan, 100), 4e-3);
  EXPECT_EQ(rate(optimizer, plan, 299), 4e-3);
}

TEST(Schedule, ProgressIsTheShareOfFlops) {
  OptimizerConfig optimizer;
  optimizer.decay = Decay::linear;
  optimizer.warmup = 0;
  optimizer.final = 0;
  const RunPlan plan = plan_run(grown(100, 100), 65);
  const double half = plan.stages[0].flops_per_step * 100 / plan.flops;
  EXPECT_LT(half, 0.5);  // early steps are cheap
  EXPECT_NEAR(rate(optimizer, plan, 100), 4e-3 * (1 - half), kRounding);
}

TEST(Schedule, RewarmsAfterAGrowth) {
  OptimizerConfig optimizer;
  optimizer.warmup = 0;
  optimizer.decay = Decay::constant;
  optimizer.rewarm = 4;
  const RunPlan plan = plan_run(grown(10, 10), 65);
  EXPECT_EQ(rate(optimizer, plan, 0), 4e-3);  // the first stage grew out of nothing
  EXPECT_EQ(rate(optimizer, plan, 9), 4e-3);
  EXPECT_NEAR(rate(optimizer, plan, 10), 4e-3 * 0.25, kRounding);
  EXPECT_NEAR(rate(optimizer, plan, 11), 4e-3 * 0.5, kRounding);
  EXPECT_NEAR(rate(optimizer, plan, 13), 4e-3, kRounding);
  EXPECT_EQ(rate(optimizer, plan, 14), 4e-3);
}

TEST(Schedule, AStageWithoutGrowthDoesNotRewarm) {
  OptimizerConfig optimizer;
  optimizer.warmup = 0;
  optimizer.decay = Decay::constant;
  optimizer.rewarm = 4;
  RunConfig config = grown(10, 10);
  config.stages[1].model = config.stages[0].model;
  EXPECT_EQ(rate(optimizer, plan_run(config, 65), 10), 4e-3);
}

TEST(Schedule, GrowthWithinTheWarmUpMultipliesBoth) {
  OptimizerConfig optimizer;
  optimizer.warmup = 20;
  optimizer.rewarm = 4;
  const RunPlan plan = plan_run(grown(10, 100), 65);
  EXPECT_NEAR(rate(optimizer, plan, 10), 4e-3 * 11 / 20 * 0.25, kRounding);
}

TEST(Schedule, ArrivesAtFinalAlsoWhenAStageEndedEarly) {
  OptimizerConfig optimizer;
  optimizer.warmup = 0;
  const std::array<std::int64_t, 1> ended = {40};
  for (const RunPlan& plan :
       {plan_run(grown(100, 1000), 65), plan_run(grown(100, 1000), 65, ended)}) {
    // At the last step tau is a step short of 1, where the cosine is flat.
    EXPECT_NEAR(rate(optimizer, plan, plan.steps - 1), 4e-4, 4e-4 * 1e-3);
  }
}

TEST(Schedule, AWarmUpLongerThanTheRunIsNoDivisionByZero) {
  OptimizerConfig optimizer;
  optimizer.warmup = 50;
  const RunPlan plan = plan_run(one_stage(10), 65);
  EXPECT_NEAR(rate(optimizer, plan, 9), 4e-3 * 10 / 50, kRounding);
}

}  // namespace
}  // namespace ortho
