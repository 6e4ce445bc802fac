// Enumeration and ranking of meshes: pure, with made-up costs where the model is not the point.
#include "trainer/mesh_choice.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>

#include "tests/support/errors.h"

namespace ortho {
namespace {

ModelSpec spec_of(const Shape& tokens, std::int64_t channels = 128) {
  ModelSpec spec;
  spec.tokens = tokens;
  spec.channels = channels;
  spec.hidden = 8;
  spec.text_symbols = 5;
  return spec;
}

std::vector<std::string> texts(const std::vector<Cuts>& all) {
  std::vector<std::string> lines;
  for (const Cuts& cuts : all) lines.push_back(cuts_text(cuts));
  return lines;
}

std::vector<std::string> ranked(const MeshChoice& choice) {
  std::vector<std::string> lines;
  for (const RankedMesh& mesh : choice.meshes) lines.push_back(cuts_text(mesh.cuts));
  return lines;
}

MeshCost cost(double compute_sec, double message_sec, std::int64_t bytes = 0) {
  MeshCost result;
  result.compute_sec = compute_sec;
  result.message_sec = message_sec;
  result.bytes.weights = bytes;
  return result;
}

RunConfig run_of(const ModelSpec& spec, std::int64_t windows, const MeshConfig& mesh) {
  RunConfig run;
  StageConfig stage;
  stage.name = "lines";
  stage.model = spec;
  stage.batch.windows = windows;
  stage.until.steps = 10;
  stage.mesh = mesh;
  run.stages.push_back(stage);
  return run;
}

MeshChoice choose(const RunConfig& run, int ranks) {
  return choose_mesh(plan_run(run, 5).stages.front(), run, ranks);
}

std::string refusal(const RunConfig& run, int ranks) {
  return message_of([&] { choose(run, ranks); }, ErrorKind::usage);
}

TEST(MeshChoice, AllCutsOfOneRank) {
  EXPECT_EQ(texts(all_cuts(spec_of({2, 3}), 1)), std::vector<std::string>{"1 rank"});
}

TEST(MeshChoice, AllCutsFewAxesFirstThenTheBatchThenOuterAxes) {
  EXPECT_EQ(texts(all_cuts(spec_of({2, 4}), 4)),
            (std::vector<std::string>{"batch 4", "s_2 4", "channels 4", "batch 2 x s_1 2",
                                      "batch 2 x s_2 2", "batch 2 x channels 2", "s_1 2 x s_2 2",
                                      "s_1 2 x channels 2", "s_2 2 x channels 2"}));
}

TEST(MeshChoice, NoAxisIsCutIntoMoreThanItHas) {
  for (const Cuts& cuts : all_cuts(spec_of({2, 3, 5}, 6), 30)) {
    EXPECT_LE(cuts.tokens[0], 2);
    EXPECT_LE(cuts.tokens[1], 3);
    EXPECT_LE(cuts.tokens[2], 5);
    EXPECT_LE(cuts.channels, 6);
  }
  EXPECT_EQ(texts(all_cuts(spec_of({2, 3}, 4), 7)), std::vector<std::string>{"batch 7"});
}

// Each prime of 360 = 2^3 3^2 5 goes to one of four axes: 20 * 10 * 4 ways when none is too small.
TEST(MeshChoice, AllCutsAreComplete) {
  const std::vector<Cuts> all = all_cuts(spec_of({360, 360}, 360), 360);
  EXPECT_EQ(all.size(), 800u);
  std::set<std::string> distinct;
  for (const Cuts& cuts : all) {
    EXPECT_EQ(mesh_of(cuts).ranks(), 360);
    distinct.insert(cuts_text(cuts));
  }
  EXPECT_EQ(distinct.size(), all.size());
}

TEST(MeshChoice, TheFastestIsFirstAndTheOthersSayWhyNot) {
  const std::vector<Cuts> candidates = all_cuts(spec_of({4}, 1), 4);
  ASSERT_EQ(texts(candidates), (std::vector<std::string>{"batch 4", "s_1 4", "batch 2 x s_1 2"}));
  const MeshChoice choice = rank_meshes(candidates, [](const Cuts& cuts) {
    if (cuts.batch == 4) return cost(0.010, 0.003);
    return cuts.batch == 2 ? cost(0.010, 0.001) : cost(0.015, 0.001);
  });
  EXPECT_EQ(ranked(choice), (std::vector<std::string>{"batch 2 x s_1 2", "batch 4", "s_1 4"}));
  EXPECT_EQ(choice.meshes[0].reason, "");
  EXPECT_EQ(choice.meshes[1].reason, "its messages take 2 ms longer");
  EXPECT_EQ(choice.meshes[2].reason, "computes 5 ms longer: its parts are less equal");
  EXPECT_FALSE(choice.named);
}

TEST(MeshChoice, EquallyFastOnesCutFewAxesAndTheBatchFirst) {
  std::vector<Cuts> candidates = all_cuts(spec_of({4, 4}, 1), 4);
  const auto equal = [](const Cuts&) { return cost(1, 0); };
  const MeshChoice choice = rank_meshes(candidates, equal);
  EXPECT_EQ(ranked(choice), texts(candidates));
  EXPECT_EQ(choice.meshes[1].reason, "as fast, but cuts the batch less");
  EXPECT_EQ(choice.meshes.back().reason, "as fast, but cuts more axes");
  candidates = {{1, {4, 1}, 1}, {1, {1, 4}, 1}};
  EXPECT_EQ(rank_meshes(candidates, equal).meshes[1].reason,
            "as fast, but cuts an axis further inside");
}

TEST(MeshChoice, WhatTheModelRefusesDropsOutWithItsWords) {
  const MeshChoice choice = rank_meshes(all_cuts(spec_of({4}, 1), 4), [](const Cuts& cuts) {
    REQUIRE(cuts.batch < 4, "three windows only");
    return cost(1, 0);
  });
  EXPECT_EQ(ranked(choice), (std::vector<std::string>{"s_1 4", "batch 2 x s_1 2"}));
  ASSERT_EQ(choice.refused.size(), 1u);
  EXPECT_EQ(cuts_text(choice.refused[0].cuts), "batch 4");
  expect_in("three windows only", choice.refused[0].reason);
}

TEST(MeshChoice, ABrokenPromiseIsNoRefusal) {
  const auto broken = [](const Cuts&) -> MeshCost { fail(ErrorKind::internal, "ours"); };
  expect_in("ours", message_of([&] { rank_meshes(all_cuts(spec_of({4}), 4), broken); },
                               ErrorKind::internal));
}

TEST(MeshChoice, WhatDoesNotFitTheMemoryIsRefused) {
  const auto bytes = [](const Cuts& cuts) {
    return cuts.batch == 4 ? cost(1, 0, 1001) : cost(2, 0, 1000);
  };
  const MeshChoice choice = rank_meshes(all_cuts(spec_of({4}, 1), 4), bytes, 1000);
  EXPECT_EQ(ranked(choice), (std::vector<std::string>{"s_1 4", "batch 2 x s_1 2"}));
  ASSERT_EQ(choice.refused.size(), 1u);
  EXPECT_EQ(choice.refused[0].reason, "needs 1001 bytes a rank, but may use 1000");
}

TEST(MeshChoice, TooManyAreNotLookedAtAndCounted) {
  const std::vector<Cuts> all = all_cuts(spec_of({360, 360}, 360), 360);
  size_t asked = 0;
  const MeshChoice choice = rank_meshes(
      all,
      [&](const Cuts& cuts) {
        ++asked;
        REQUIRE(cuts.batch < 360, "no");
        return cost(1, 0, static_cast<std::int64_t>(asked));
      },
      30);
  EXPECT_EQ(choice.meshes.size() + choice.refused.size(), kMostCompared + 1);  // "no" is cheap
  EXPECT_EQ(asked, kMostCompared + 1);
  EXPECT_EQ(choice.left_out, all.size() - asked);
}

TEST(MeshChoice, AutoTakesTheBatchWhenTheLoaderDoes) {
  const MeshChoice choice = choose(run_of(spec_of({4, 2}), 12, {}), 4);
  EXPECT_EQ(choice.best().cuts.batch, 4);
  EXPECT_EQ(choice.best().cost.windows, 3);
}

TEST(MeshChoice, ANamedMeshIsTaken) {
  const MeshChoice choice = choose(run_of(spec_of({4, 2}), 12, {2, {}, 1}), 2);
  EXPECT_TRUE(choice.named);
  ASSERT_EQ(choice.meshes.size(), 1u);
  EXPECT_EQ(cuts_text(choice.best().cuts), "batch 2");
  EXPECT_GT(choice.best().cost.bytes.total(), 0);
}

TEST(MeshChoice, ANamedMeshOfOtherRanksIsRefusedWithTheNumbers) {
  const std::string message = refusal(run_of(spec_of({4, 2}), 12, {2, {1, 1}, 1}), 4);
  expect_in("stage lines, mesh batch 2: it is of 2 ranks, not 4 ranks. Use mpirun -np 2", message);
  expect_in("Meshes of 4 ranks that work: batch 4", message);
}

TEST(MeshChoice, CutsWithoutTheBatchLeaveItWhole) {
  expect_in("mesh s_1 2: it is of 2 ranks, not 4 ranks",
            refusal(run_of(spec_of({4, 2}), 12, {0, {2}, 1}), 4));
}

TEST(MeshChoice, ABatchThatTheLoaderCannotShareIsRefused) {
  const std::string message = refusal(run_of(spec_of({3}, 4), 12, {8, {}, 1}), 8);
  expect_in("stage lines, mesh batch 8: ", message);
  expect_in("8 replicas must divide the batch of 12 windows", message);
}

// Whatever the model can be cut along: too many parts for every axis.
TEST(MeshChoice, NoMeshAtAllGivesTheReasons) {
  const std::string message = refusal(run_of(spec_of({3}, 4), 12, {}), 17);
  expect_in("stage lines: no mesh of 17 ranks works", message);
  expect_in("batch 17: ", message);
  expect_in("more replicas than windows: 17 replicas, a batch of 12", message);
}

TEST(MeshChoice, TheMemoryOfTheConfigCounts) {
  RunConfig run = run_of(spec_of({3}, 4), 12, {});
  run.ranks.memory = 1000;
  expect_in("bytes a rank, but may use 1000", refusal(run, 1));
}

// The more of them there are, the less each may take: 8 ranks, the default recipe.
TEST(MeshChoice, AutoIsQuick) {
  RunConfig run = run_of(spec_of({2, 2, 2, 2, 2, 2}), 16, {});
  run.stages[0].model.blocks = 2;
  const auto began = std::chrono::steady_clock::now();
  const MeshChoice choice = choose(run, 8);
  const double sec =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  const auto compared = static_cast<double>(choice.meshes.size());
  EXPECT_LT(sec, 0.1 * compared) << compared << " meshes compared";  // milliseconds are usual
}

// 30 axes of 2 have C(30, 12) ways to be cut among 4,096 ranks.
TEST(AllCuts, OfManyAxesOfOneSizeCutTheOuterOnesFirst) {
  ModelSpec spec;
  spec.tokens.assign(30, 2);
  spec.channels = 64;
  const std::vector<Cuts> all = all_cuts(spec, 4096);
  ASSERT_FALSE(all.empty());
  EXPECT_LT(all.size(), 200u);
  for (const Cuts& cuts : all) {
    EXPECT_EQ(mesh_of(cuts).ranks(), 4096);
    EXPECT_TRUE(std::is_sorted(cuts.tokens.rbegin(), cuts.tokens.rend())) << cuts_text(cuts);
  }
}

}  // namespace
}  // namespace ortho
