// Runs of the diffusion objective and of mixes: whole, interrupted, grown, and on ranks.
#include <cmath>

#include "tests/support/errors.h"
#include "tests/support/run_kit.h"

namespace ortho {
namespace {

class MixRun : public testing::Test {
 protected:
  RunConfig config(const std::string& out, const std::string& more) const {
    return parse_config(parse_yaml(
        text("out: ", kit_ / out, "\nseed: 3\ndata: {train: [", kit_.texts(),
             "]}\nbatch: {windows: 4}\noptimizer: {lr: 1e-2, warmup: 3}\nevaluate: {every: 6}\n",
             "checkpoint: {every: 5, keep: 20}\n", more),
        "run.yaml"));
  }
  // Two stages, the second with a block more and other shares.
  RunConfig mix(const std::string& out) const {
    return config(out,
                  "model: {tokens: [2, 4], channels: 16, hidden: 8, blocks: 1}\n"
                  "objective: {next_token: 0.5, diffusion: 0.5}\nstages:\n"
                  "  - {name: even, until: {steps: 12}}\n"
                  "  - {name: more, blocks: 2, objective: {next_token: 1, diffusion: 3}, "
                  "until: {steps: 8}}\n");
  }
  // The objective of each line of an event.
  static std::vector<std::string> objectives(const RunConfig& config, const std::string& event) {
    const std::string path = config.out + "/metrics.jsonl", content = read_file(path);
    std::vector<std::string> all;
    for (size_t begin = 0, end = 0; (end = content.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      const ConfigNode node = parse_json(content.substr(begin, end - begin), path);
      if (node.find("event")->value == event) all.push_back(node.find("objective")->value);
    }
    return all;
  }
  RunKit kit_;
};

TEST_F(MixRun, DiffusionLearns) {
  for (const std::string wiring : {"mirrored", "grid", "causal"}) {
    const RunConfig one =
        config(wiring, text("model: {tokens: [2, 4], channels: 16, hidden: 8, wiring: ", wiring,
                            "}\nobjective: {diffusion: 1}\nstages: [{name: all, until: {steps: "
                            "60}}]\n"));
    ASSERT_TRUE(run(one));
    const std::vector<double> bounds = metric_losses(one, "evaluate");
    ASSERT_GT(bounds.size(), 3U);
    EXPECT_LT(bounds.back(), bounds.front() - 0.2) << wiring;
    EXPECT_FALSE(newest_state(one)->spec.modality_head);  // no end is ever scored
    EXPECT_TRUE(newest_state(one)->spec.modality_table);  // a row of it is the mark
  }
}

TEST_F(MixRun, StepsTakeTurnsAndEachObjectiveIsScored) {
  const RunConfig whole = mix("whole");
  ASSERT_TRUE(run(whole));
  const auto steps = objectives(whole, "step");
  ASSERT_EQ(steps.size(), 20U);
  EXPECT_EQ(std::count(steps.begin(), steps.begin() + 12, "diffusion"), 6);
  EXPECT_EQ(std::count(steps.begin() + 12, steps.end(), "diffusion"), 6);
  EXPECT_EQ(steps[0], "next_token");
  EXPECT_EQ(steps[1], "diffusion");
  const auto scored = objectives(whole, "evaluate");
  EXPECT_EQ(std::count(scored.begin(), scored.end(), "diffusion"),
            std::count(scored.begin(), scored.end(), "next_token"));
  // Each has read its own windows: 4 a step, through the growth in the same epoch.
  const auto state = newest_state(whole);
  const auto consumed = [&](Objective objective) {
    return state->cursors[static_cast<size_t>(objective)].consumed;
  };
  EXPECT_EQ(consumed(Objective::next_token) % 4, 0);
  EXPECT_NE(state->cursors[static_cast<size_t>(Objective::next_token)],
            state->cursors[static_cast<size_t>(Objective::diffusion)]);
}

TEST_F(MixRun, GoesOnFromEveryCheckpointToTheSameBits) {
  const RunConfig whole = mix("whole");
  ASSERT_TRUE(run(whole));
  for (const std::int64_t step : {5, 10, 12, 15}) {
    const RunConfig part = mix(text("from", step));
    copy_run(whole, part, step);
    ASSERT_TRUE(run(part));
    expect_same_run(whole, part);
  }
}

// A mesh cuts windows and tokens, never what is hidden. Sums over ranks differ in the last bits of
// float, and twenty steps of AdamW make more of them.
TEST_F(MixRun, OnRanksIsTheRunOfOne) {
  const RunConfig one = mix("one");
  ASSERT_TRUE(run(one));
  const std::vector<double> truth = step_losses(one);
  for (const std::string mesh : {"{batch: 2}", "{tokens: [2]}", "{channels: 2}"}) {
    RunConfig many = mix("many" + mesh.substr(1, 2));
    many = parse_config(parse_yaml(config_text(many) + "\n", "run.yaml"));
    for (StageConfig& stage : many.stages) {
      if (mesh == "{batch: 2}") stage.mesh.batch = 2;
      if (mesh == "{tokens: [2]}") stage.mesh.tokens = {2};
      if (mesh == "{channels: 2}") stage.mesh.channels = 2;
    }
    run_local_ranks(2, [&](Channel& world) { EXPECT_TRUE(TrainingRun(many, world).go()); });
    const std::vector<double> losses = step_losses(many);
    ASSERT_EQ(losses.size(), truth.size());
    for (size_t i = 0; i < losses.size(); ++i) EXPECT_NEAR(losses[i], truth[i], 1e-3) << mesh << i;
  }
}

TEST_F(MixRun, OtherSharesInTheMiddleOfAnEpochAreRefused) {
  const RunConfig whole = mix("whole");
  ASSERT_TRUE(run(whole));
  RunConfig other = mix("other");
  copy_run(whole, other, 5);
  other.stages[0].objective.diffusion = 2;
  expect_in("the data changed in the middle of an epoch",
            message_of([&] { run(other); }, ErrorKind::usage));
}

}  // namespace
}  // namespace ortho
