// Whole runs with the channels cut, alone and with every other axis, against one rank.
#include <gtest/gtest.h>

#include "tests/support/run_kit.h"

namespace ortho {
namespace {

struct Meshes {
  int ranks;
  std::string narrow, wide;  // of the stages
};

// 8 steps, then more channels and hidden units, then a block more on the first mesh.
RunConfig growing(const RunKit& kit, const std::string& out, const std::string& model,
                  const Meshes& meshes) {
  const std::string yaml = text(
      "out: ", kit / out, "\nseed: 3\ndata: {train: [", kit.texts(), "]}\nbatch: {windows: 4}\n",
      "model: {channels: 10, hidden: 6, blocks: 2, tokens: [4, 2], ", model, "}\n",
      "stages:\n  - {name: narrow, mesh: ", meshes.narrow, ", until: {steps: 8}}\n",
      "  - {name: wide, mesh: ", meshes.wide, ", channels: 13, hidden: 9, ", "until: {steps: 6}}\n",
      "  - {name: deep, mesh: ", meshes.narrow, ", blocks: 3, until: {steps: 6}}\n",
      "optimizer: {lr: 1e-2, warmup: 3, rewarm: 2}\n",
      "evaluate: {every: 5}\ncheckpoint: {every: 5, keep: 20}\n");
  return parse_config(parse_yaml(yaml, "run.yaml"));
}

std::vector<double> losses_of(const RunConfig& config, int ranks) {
  run_local_ranks(ranks, [&](Channel& world) { EXPECT_TRUE(TrainingRun(config, world).go()); });
  return step_losses(config);
}

// Of the loss. Sums in another order, in float, and what 20 steps of the optimizer make of them:
// measured 1e-7.
constexpr double kShare = 1e-6;

// Each stage reads what the one before saved, on its own mesh.
TEST(RunChannels, LossesThroughGrowthAreThoseOfOneRank) {
  const RunKit kit;
  const std::string all = "{batch: 2, tokens: [2], channels: 2}";
  int runs = 0;
  for (const std::string model :
       {"dropout: 0.1", "map: dense, weights: separate, width: 8, refeeds: 2"}) {
    const std::vector<double> truth =
        losses_of(growing(kit, text("run", ++runs), model, {1, "auto", "auto"}), 1);
    ASSERT_EQ(truth.size(), 20);
    EXPECT_LT(truth.back(), truth.front());
    for (const Meshes& meshes :
         {Meshes{2, "{channels: 2}", "{tokens: [2]}"}, Meshes{3, "{channels: 3}", "{channels: 3}"},
          Meshes{4, "{batch: 4}", "{batch: 2, channels: 2}"}, Meshes{8, all, all}}) {
      const RunConfig config = growing(kit, text("run", ++runs), model, meshes);
      const std::vector<double> losses = losses_of(config, meshes.ranks);
      ASSERT_EQ(losses.size(), truth.size());
      for (size_t i = 0; i < truth.size(); ++i)
        EXPECT_NEAR(losses[i], truth[i], kShare * truth[i])
            << model << ' ' << meshes.narrow << " step " << i;
    }
  }
}

}  // namespace
}  // namespace ortho
