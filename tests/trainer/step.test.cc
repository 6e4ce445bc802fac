// One step and one evaluation over ranks that are threads.
#include "trainer/step.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/agreement.h"
#include "tests/support/errors.h"
#include "tests/support/model_kit.h"
#include "tests/support/run_kit.h"
#include "trainer/evaluate.h"
#include "trainer/stage_data.h"

namespace ortho {
namespace {

ModelSpec small() {
  ModelSpec spec;
  spec.tokens = {2, 2};
  spec.channels = 8;
  spec.hidden = 4;
  spec.text_symbols = 7;
  spec.modality_head = true;
  return spec;
}

TEST(TrainStep, WhatIsNotFiniteUpdatesNothing) {
  ModelKit<float> kit(small(), 2, 1);
  OptimizerState<float> state = fresh_state(OptimizerConfig{}, kit.params);
  Optimizer<float> optimizer(OptimizerConfig{}, kit.params, state);
  kit.params.at("head.text").value[3] = INFINITY;
  const std::vector<float> before(kit.params.values().begin(), kit.params.values().end());
  const auto channel = make_single_channel();
  Replicas<float> replicas(*channel, kit.params);
  StepRule rule;
  rule.rate = 1;
  rule.step = 41;
  const std::string message = message_of(
      [&] {
        train_step({*channel, *kit.backend, kit.model, kit.params, replicas, optimizer},
                   random_batch(small(), 2, 5), rule);
      },
      ErrorKind::internal);
  EXPECT_NE(message.find("step 42 is not finite: loss "), std::string::npos) << message;
  EXPECT_NE(message.find("Nothing was updated"), std::string::npos) << message;
  EXPECT_EQ(std::vector<float>(kit.params.values().begin(), kit.params.values().end()), before);
  EXPECT_EQ(state.regions, no_steps(param_specs(small())));
  for (const float moment : state.first.span()) EXPECT_EQ(moment, 0);
}

TEST(TrainStep, AWholeStepOfPaddingChangesNothingButDecay) {
  ModelKit<float> kit(small(), 2, 1);
  OptimizerConfig config;
  config.weight_decay = 0;
  OptimizerState<float> state = fresh_state(config, kit.params);
  Optimizer<float> optimizer(config, kit.params, state);
  const std::vector<float> before(kit.params.values().begin(), kit.params.values().end());
  const auto channel = make_single_channel();
  Replicas<float> replicas(*channel, kit.params);
  StepRule rule;
  rule.rate = 1;
  const StepResult result =
      train_step({*channel, *kit.backend, kit.model, kit.params, replicas, optimizer},
                 empty_batch(4, 2, 0), rule);
  EXPECT_EQ(result.sums.scored, 0);
  EXPECT_EQ(result.grad_norm, 0);
  EXPECT_EQ(std::vector<float>(kit.params.values().begin(), kit.params.values().end()), before);
}

// Five steps of 16 windows on some ranks, in a fixed order; the values as they then are.
std::vector<float> trained_in_fixed_order(int ranks) {
  ModelSpec spec = small();
  spec.dropout = 0.2;
  std::vector<float> values;
  run_local_ranks(ranks, [&](Channel& world) {
    const std::int64_t windows = 16, leaf = windows / kLeaves;
    const Sharding sharding(spec, leaf * ranks, Cuts{ranks, {}, 1}, world.rank());
    const auto specs = param_specs(spec);
    Params<float> params(specs, param_layouts(spec, sharding), world.rank());
    params.initialise(4);
    const auto backend = make_cpu_backend<float>(1);
    Arena<float> arena;
    Model<float> model(spec, sharding, params, *backend, arena, &world);
    const OptimizerConfig config;
    OptimizerState<float> state = fresh_state(config, params);
    Optimizer<float> optimizer(config, params, state);
    Replicas<float> replicas(world, params, SumOrder::tree);
    TreeSum<float> tree(params.size(), kLeaves / ranks);
    double before = 0;
    for (std::uint64_t step = 0; step < 5; ++step) {
      const Range mine = split(windows, ranks, world.rank());
      const Batch batch = windows_of(random_batch(spec, windows, step), mine.lo, mine.hi);
      StepRule rule;
      rule.dropout = {spec.dropout, 1, step, 0};
      rule.rate = 0.01;
      rule.clip = 0.1;
      const StepResult result =
          train_step({world, *backend, model, params, replicas, optimizer, &tree}, batch, rule);
      EXPECT_GT(result.grad_norm, rule.clip);  // so that the norm decides on the update
      before = result.sums.loss(rule.weights);
    }
    if (world.rank() != 0) return;
    values.assign(params.values().begin(), params.values().end());
    values.push_back(static_cast<float>(before));
  });
  return values;
}

TEST(TrainStep, FixedOrderGivesTheSameBitsOnAnyRanks) {
  const std::vector<float> one = trained_in_fixed_order(1);
  for (const int ranks : {2, 4, 8}) EXPECT_EQ(trained_in_fixed_order(ranks), one) << ranks;
}

class Evaluate : public testing::Test {
 protected:
  // Sums of all windows of the kit's text, scored on a mesh; rank `blind` knows no symbols.
  TermSums sums_of(const Cuts& cuts, std::int64_t windows = 0, int blind = -1) {
    const int ranks = mesh_of(cuts).ranks();
    const RunConfig config = kit_.config("run");
    const Vocabulary vocabulary = run_vocabulary(config);
    const Stage stage = plan_run(config, vocabulary.size()).stages[1];
    TermSums result;
    run_local_ranks(ranks, [&](Channel& channel) {
      const Sharding sharding(stage.config.model, stage.windows, cuts, channel.rank());
      ModelKit<float> kit(stage.config.model, sharding, &channel, 6);
      const Dataset data(stage.config.data.train, Split::valid);
      const Vocabulary none, &known = channel.rank() == blind ? none : vocabulary;
      HeldOut split(data, known, loader_options(stage, Objective::next_token, 3, sharding));
      const TermSums sums = evaluate_split(channel, kit.model, split, windows);
      if (channel.rank() == ranks - 1) result = sums;
    });
    return result;
  }
  const std::vector<Cuts> meshes_ = {{2, {}, 1},     {4, {}, 1}, {1, {2}, 1}, {1, {2, 2}, 1},
                                     {2, {1, 2}, 1}, {1, {}, 3}, {2, {2}, 2}};
  RunKit kit_;
};

TEST_F(Evaluate, RanksScoreEachTokenOnce) {
  const TermSums one = sums_of({});
  std::int64_t letters = 0;
  for (int i = 0; i < 40; i += 5) letters += static_cast<std::int64_t>(sentence(i).size()) + 1;
  EXPECT_EQ(one.scored, letters);  // each letter but the first of a record, and its end
  for (const Cuts& cuts : meshes_) {
    const TermSums many = sums_of(cuts);
    EXPECT_EQ(many.scored, one.scored);
    EXPECT_EQ(many.targets, one.targets);
    EXPECT_EQ(many.hits, one.hits);
    // Sums of some hundred doubles of size 3, taken from float losses that a GEMM
    // of another height may round otherwise: 1e-6 is 16 roundings of a float.
    for (size_t i = 0; i < kTerms; ++i)
      EXPECT_NEAR(many.nats[i], one.nats[i], 1e-6 * one.nats[i]) << cuts_text(cuts);
  }
}

TEST_F(Evaluate, SoManyWindowsOnAnyRanks) {
  const TermSums one = sums_of({}, 5);  // two batches of 4
  EXPECT_LT(one.scored, sums_of({}).scored);
  EXPECT_GT(one.scored, sums_of({}, 4).scored);
  for (const Cuts& cuts : meshes_) EXPECT_EQ(sums_of(cuts, 5).scored, one.scored);
}

TEST_F(Evaluate, OneRanksFailureIsEveryones) {
  for (const Cuts& cuts : meshes_)
    expect_in("is not among the 0 symbols",
              message_of([&] { sums_of(cuts, 0, 1); }, ErrorKind::data));
}

}  // namespace
}  // namespace ortho
