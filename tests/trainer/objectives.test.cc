#include "trainer/objectives.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/support/errors.h"

namespace ortho {
namespace {

using enum Objective;

std::vector<Objective> first_steps(const ObjectiveConfig& mix, std::int64_t count) {
  std::vector<Objective> steps;
  for (std::int64_t step = 0; step < count; ++step) steps.push_back(objective_of_step(mix, step));
  return steps;
}

TEST(Objectives, TakeTurns) {
  EXPECT_EQ(first_steps({1, 0, 0}, 3), (std::vector{next_token, next_token, next_token}));
  EXPECT_EQ(first_steps({0, 0, 2}, 2), (std::vector{diffusion, diffusion}));
  EXPECT_EQ(first_steps({0.5, 0, 0.5}, 4),
            (std::vector{next_token, diffusion, next_token, diffusion}));
  EXPECT_EQ(first_steps({1, 0, 3}, 8), (std::vector{next_token, diffusion, diffusion, diffusion,
                                                    next_token, diffusion, diffusion, diffusion}));
  EXPECT_EQ(first_steps({1, 1, 2}, 8), (std::vector{next_token, one_shot, diffusion, diffusion,
                                                    next_token, one_shot, diffusion, diffusion}));
}

// Two objectives: never a step ahead or behind. Three: the second and third share what the first
// leaves, which is up to a step off itself.
TEST(Objectives, HaveTheirSharesAfterAnyNumberOfSteps) {
  const std::vector<std::pair<ObjectiveConfig, double>> mixes = {
      {{0.3, 0, 0.7}, 1}, {{0, 5, 0.01}, 1}, {{1, 2, 4}, 2}, {{0.2, 0.7, 0.1}, 2}};
  for (const auto& [mix, most] : mixes) {
    const double all = mix.next_token + mix.one_shot + mix.diffusion;
    std::array<double, kObjectives> had{};
    for (std::int64_t step = 0; step < 1000; ++step) {
      const Objective objective = objective_of_step(mix, step);
      EXPECT_GT(weight_of(mix, objective), 0);
      had[static_cast<size_t>(objective)] += 1;
      for (const Objective one : {next_token, one_shot, diffusion})
        EXPECT_LE(std::abs(had[static_cast<size_t>(one)] -
                           weight_of(mix, one) / all * static_cast<double>(step + 1)),
                  most + 1e-9);  // shares are no exact numbers
    }
  }
}

TEST(Objectives, OfAPromptAndByName) {
  EXPECT_EQ(answering_objective({1, 1, 1}), one_shot);
  EXPECT_EQ(answering_objective({1, 0, 1}), next_token);
  EXPECT_EQ(answering_objective({0, 0, 1}), diffusion);
  for (const Objective one : {next_token, one_shot, diffusion})
    EXPECT_EQ(objective_from_name(objective_name(one)), one);
  expect_in("known: next_token, one_shot, diffusion",
            message_of([] { objective_from_name("masking"); }, ErrorKind::usage));
}

}  // namespace
}  // namespace ortho
