// Stages that ask for ranks: which train where, and that the run they make is the same run.
#include "trainer/run_meshes.h"

#include <gtest/gtest.h>

#include "tests/support/errors.h"
#include "tests/support/run_kit.h"
#include "trainer/slow_ranks.h"

namespace ortho {
namespace {

// 1 -> 2 -> 4 ranks; eight windows, and the same sums on any mesh.
constexpr const char* kMore = "deterministic: true\nbatch: {windows: 8}\n";

RunConfig staged(const RunKit& kit, const std::string& out, std::vector<std::int64_t> ranks) {
  const std::string yaml = text(
      "out: ", kit / out, "\nseed: 3\ndata: {train: [", kit.texts(), "]}\n", kMore,
      "model: {channels: 16, hidden: 8, blocks: 1}\nstages:\n  - {name: single, ranks: ", ranks[0],
      ", until: {steps: 4}}\n  - {name: axes, ranks: ", ranks[1],
      ", tokens: [2, 2], until: {steps: 4}}\n  - {name: longer, ranks: ", ranks[2],
      ", tokens: [4, 2], until: {steps: 4}}\noptimizer: {lr: 1e-2, warmup: 3}\n");
  return parse_config(parse_yaml(yaml, "run.yaml"));
}

TEST(RunMeshes, StagesOfOtherRanksDoNotTrain) {
  const RunKit kit;
  const RunConfig config = staged(kit, "run", {1, 2, 4});
  const RunPlan plan = plan_run(config, 30);
  const auto trains = [&](int ranks, bool any) {
    std::string line;
    for (const StageMesh& mesh : run_meshes(plan, config, ranks, any))
      line += mesh.trains ? 'y' : '-';
    return line;
  };
  EXPECT_EQ(trains(1, false), "y--");
  EXPECT_EQ(trains(2, false), "-y-");
  EXPECT_EQ(trains(4, false), "--y");
  EXPECT_EQ(trains(2, true), "yyy");
  EXPECT_EQ(ranks_of_stage(config.stages[2], 1), 4);
  EXPECT_EQ(meshes_text(plan, run_meshes(plan, config, 2, false)), "batch 2");
}

TEST(RunMeshes, ARunLeavesBeforeAStageOfOtherRanks) {
  const RunKit kit;
  const RunConfig config = staged(kit, "run", {1, 2, 4});
  const std::int64_t steps[] = {4, 8, 12};
  const int ranks[] = {1, 2, 4};
  for (int i = 0; i < 3; ++i) {
    run_local_ranks(ranks[i], [&](Channel& channel) {
      TrainingRun run(config, channel);
      EXPECT_TRUE(run.go());
      EXPECT_EQ(run.state().step, steps[i]);
    });
    const auto status = read_status(config.out);
    ASSERT_TRUE(status);
    EXPECT_EQ(status->ending, i < 2 ? Ending::next_stage : Ending::complete);
    EXPECT_EQ(status->stage, i < 2 ? i + 1 : 2);
    EXPECT_EQ(status->ranks, i < 2 ? ranks[i + 1] : 4);
  }
  const RunConfig alone = staged(kit, "alone", {0, 0, 0});
  EXPECT_TRUE(run(alone));
  EXPECT_EQ(step_losses(config), step_losses(alone));  // deterministic: to the bit
}

TEST(RunMeshes, AStageOnOtherRanksIsRefusedUnlessAnyWillDo) {
  const RunKit kit;
  const RunConfig config = staged(kit, "run", {2, 2, 4});
  expect_in("stage single asks for 2 ranks, not 1. Use mpirun -np 2, or orthotope run",
            message_of([&] { run(config); }, ErrorKind::usage));
  const auto channel = make_single_channel();
  TrainingRun any(config, *channel, {true, 0, -1});
  EXPECT_TRUE(any.go());
  EXPECT_EQ(any.status().ending, Ending::complete);
}

TEST(SlowRanks, AreThoseTheOthersWaitFor) {
  const std::vector<double> even = {1, 1.2, 0.9, 1}, one = {1, 1.1, 2, 1}, two = {1, 3};
  EXPECT_TRUE(rank_times(even).slow.empty());
  EXPECT_EQ(rank_times(one).slow, (std::vector<RankTimes::Slow>{{2, 2}}));
  EXPECT_EQ(rank_times(one).slowest, 2);
  EXPECT_EQ(rank_times(two).slow, (std::vector<RankTimes::Slow>{{1, 3}}));
  run_local_ranks(3, [](Channel& channel) {
    const SlowRanks found = find_slow_ranks(channel, channel.rank() == 1 ? 3.0 : 1.0);
    EXPECT_EQ(found.line,
              "slow: rank 1 on " + channel.host() + " computes 3 times as long as the others");
  });
}

}  // namespace
}  // namespace ortho
