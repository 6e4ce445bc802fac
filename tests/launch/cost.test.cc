// The cost model against what is really allocated, and against numbers worked out by hand.
#include "launch/cost.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "dataio/window.h"
#include "tests/support/errors.h"
#include "tests/support/model_kit.h"
#include "trainer/optimizer.h"
#include "trainer/promise.h"

namespace {

std::atomic<size_t> largest_new = 0;  // bytes of the largest single `new` since it was reset

}  // namespace

// Model memory comes from Buffers, which do not use `new`: what passes here is beside the Arena.
// Not inlined, or g++ takes the pair for a mismatch (GCC bug 103993).
[[gnu::noinline]] void* operator new(size_t bytes) {
  size_t known = largest_new;
  while (known < bytes && !largest_new.compare_exchange_weak(known, bytes)) {
  }
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace ortho {
namespace {

ModelSpec small(MapKind map, Wiring wiring) {
  ModelSpec spec;
  spec.tokens = {2, 3, 2};
  spec.channels = spec.hidden = 4;
  spec.blocks = 1;
  spec.refeeds = 2;
  spec.text_symbols = 5;
  spec.map = map;
  spec.wiring = wiring;
  return spec;
}

std::vector<ModelSpec> all_kinds() {
  std::vector<ModelSpec> specs;
  for (const Wiring wiring : {Wiring::causal, Wiring::grid, Wiring::grid_causal}) {
    for (const Combine combine : {Combine::sequential, Combine::parallel}) {
      specs.push_back(small(MapKind::joint, wiring));
      specs.back().combine = combine;
    }
    for (const Weights weights : {Weights::shared, Weights::separate})
      for (const Combine combine : {Combine::sequential, Combine::parallel, Combine::single}) {
        specs.push_back(small(MapKind::dense, wiring));
        specs.back().weights = weights;
        specs.back().combine = combine;
      }
  }
  specs.push_back(small(MapKind::dense, Wiring::causal));
  specs.back().weights = Weights::by_position;
  specs.push_back(small(MapKind::dense, Wiring::grid));  // the paper's own
  ModelSpec& paper = specs.back();
  paper.weights = Weights::separate;
  paper.combine = Combine::parallel;
  paper.in = paper.out = paper.gate = paper.residual = false;
  paper.norm = Norm::none;
  paper.width = 6;
  specs.push_back(small(MapKind::joint, Wiring::causal));  // every table and head
  ModelSpec& full = specs.back();
  full.modalities = {Modality::text, Modality::pixel, Modality::audio};
  full.places = {8, 8, 8, 4, 8};
  full.items = 4;
  full.modality_table = full.modality_head = true;
  full.place_heads = full.item_head = true;
  full.width = 6;
  full.norm = Norm::layer;
  specs.push_back(small(MapKind::joint, Wiring::causal));
  specs.back().tokens = {};
  return specs;
}

Stage stage_of(const ModelSpec& spec, std::int64_t windows) {
  Stage stage;
  stage.config.name = "test";
  stage.config.model = spec;
  if (spec.wiring == Wiring::grid) stage.config.objective = {0, 1};
  stage.windows = windows;
  stage.tokens = windows * context(spec);
  stage.steps = 10;
  stage.flops_per_step = 6 * forward_macs(spec).executed * static_cast<double>(stage.tokens);
  return stage;
}

RunConfig run_of(const std::vector<ModelSpec>& specs) {
  RunConfig config;
  for (const ModelSpec& spec : specs) {
    StageConfig stage = stage_of(spec, 12).config;
    stage.name = text("stage", config.stages.size() + 1);
    stage.batch.windows = 12;
    stage.until.steps = 10;
    config.stages.push_back(stage);
  }
  return config;
}

std::string refusal(const std::function<void()>& act) { return message_of(act, ErrorKind::usage); }

Cuts on(int ranks) { return {ranks, {}, 1}; }  // along the batch

ModelSpec recipe() {
  ModelSpec spec;
  spec.tokens = {2, 2, 2, 2, 2, 2};
  spec.text_symbols = 65;
  return spec;
}

TEST(Cost, TheDefaultRecipe) {
  const StageCost cost = cost_of(stage_of(recipe(), 12), {}, on(4));
  EXPECT_EQ(cost.context, 64);
  EXPECT_EQ(cost.rank.windows, 3);
  EXPECT_EQ(cost.weights, 878464);
  EXPECT_EQ(cost.macs.nominal, 868480);
  EXPECT_EQ(cost.macs.executed, 812032);
  EXPECT_EQ(cost.rank.bytes.weights, 4 * 878464);
  EXPECT_EQ(cost.rank.bytes.gradients, 4 * 878464);
  EXPECT_EQ(cost.rank.bytes.moments, 8 * 878464 / 4);          // each rank updates a quarter
  EXPECT_EQ(cost.rank.bytes.batches, 3 * 64 * 3 * (36 + 36));  // of a Token and a Target
  EXPECT_EQ(cost.rank.gradients.bytes, 6 * 878464);            // 2 * 3/4 of 4 bytes each
  EXPECT_EQ(cost.rank.gradients.messages, 6);
  EXPECT_EQ(cost.small_sums.messages, 7 * 3);
  EXPECT_EQ(cost.small_sums.bytes, 3 * (8 + 24 + 96 + 104 + 4 * 8 + 8 + 8));
  EXPECT_EQ(cost.flops_per_step, 6.0 * 812032 * 768);
  EXPECT_EQ(cost.flops, 60.0 * 812032 * 768);
  EXPECT_EQ(cost.tokens, 7680);
}

// Per row of the recipe: 13 states, a gradient, 12 times h, z and 2 statistics, the scratch, the
// head's and row numbers. Worked out here again, without the model's code.
TEST(Cost, ActivationsOfTheDefaultRecipeByHand) {
  const std::int64_t c = 128, e = 112, g = 2 * e;
  const std::int64_t sublayers = 12 * (c + g + 2);
  const std::int64_t scratch = 2 * e + g + c;
  const std::int64_t head = 2 * c + 2 + 2 * c + 65;  // in, gradient, statistics, packed, logits
  const std::int64_t numbers = 1 + 2;                // rows of one table; rows and targets asked
  const std::int64_t row = 13 * c + c + sublayers + scratch + head + numbers;
  EXPECT_EQ(cost_of(stage_of(recipe(), 12), {}, on(1)).rank.bytes.activations, 4 * 768 * row);
}

TEST(Cost, ActivationsAreWhatTheModelTakes) {
  for (const ModelSpec& spec : all_kinds()) {
    const ModelKit<float> kit(spec, 6, 1);
    const StageCost cost = cost_of(stage_of(spec, 12), {}, on(2));
    EXPECT_EQ(cost.rank.bytes.activations, kit.arena.bytes());
    EXPECT_EQ(cost.weights, kit.params.size());
    EXPECT_FALSE(kit.arena.measuring());
  }
}

// The largest thing a model takes by `new` in its life of one training step.
size_t largest_beside_the_arena(const ModelSpec& spec, std::int64_t windows) {
  Params<float> params(param_specs(spec));
  params.initialise(1);
  const auto backend = make_cpu_backend<float>(1);
  const Batch batch = random_batch(spec, windows, 1);
  largest_new = 0;
  Arena<float> arena;
  Model<float> model(spec, windows, params, *backend, arena);
  model.train(batch, {}, 1, {});
  return largest_new;
}

// Sublayers, names and lists of them; nothing that grows with the batch.
TEST(Cost, AModelTakesNothingElseThatGrowsWithTheBatch) {
  for (const ModelSpec& spec : all_kinds()) {
    for (const std::int64_t windows : {16, 4096})
      largest_beside_the_arena(spec, windows);  // oneDNN makes its kernels once, with `new`
    const size_t few = largest_beside_the_arena(spec, 16);
    EXPECT_GT(few, 0u);
    EXPECT_EQ(largest_beside_the_arena(spec, 4096), few) << shape_text(spec.tokens);
  }
}

TEST(Cost, MomentsAndBatchesAreWhatIsAllocated) {
  const ModelSpec spec = small(MapKind::joint, Wiring::causal);
  const Params<float> params(param_specs(spec));
  for (const auto name : {OptimizerConfig::Name::adamw, OptimizerConfig::Name::sgd}) {
    OptimizerConfig optimizer;
    optimizer.name = name;
    const OptimizerState<float> state = fresh_state(optimizer, params);
    const StageCost cost = cost_of(stage_of(spec, 12), optimizer, on(1));
    EXPECT_EQ(cost.rank.bytes.moments, 4 * (state.first.size() + state.second.size()));
  }
  const Batch batch = empty_batch(12, 6, 0);
  const size_t bytes = batch.input.size() * sizeof(Token) + batch.target.size() * sizeof(Target);
  EXPECT_EQ(cost_of(stage_of(spec, 12), {}, on(2)).rank.bytes.batches,
            3 * static_cast<std::int64_t>(bytes));
}

TEST(Cost, RanksShareTheBatchAndTheMoments) {
  const ModelSpec spec = recipe();
  const StageCost one = cost_of(stage_of(spec, 12), {}, on(1));
  const StageCost four = cost_of(stage_of(spec, 12), {}, on(4));
  EXPECT_EQ(one.rank.bytes.weights, four.rank.bytes.weights);
  EXPECT_EQ(one.rank.bytes.moments, 4 * four.rank.bytes.moments);  // 878,464 is a multiple of 4
  EXPECT_EQ(one.rank.bytes.activations,
            4 * four.rank.bytes.activations);  // no part of it is constant
  EXPECT_EQ(one.rank.bytes.sums, 0);
  EXPECT_EQ(4 * four.rank.bytes.sums, 3 * four.rank.bytes.gradients);  // of the other three
  EXPECT_EQ(one.rank.bytes.total(),
            one.rank.bytes.weights * 4 + one.rank.bytes.activations + one.rank.bytes.batches);
  EXPECT_EQ(one.flops_per_step, four.flops_per_step);
}

TEST(Cost, StepTimeIsFlopsOverRateTheUpdateAndMessages) {
  StageCost cost;
  cost.flops_per_step = 8e9;
  EXPECT_DOUBLE_EQ(step_sec(cost, 4, {1e9, 0.5}), 2.5);
  cost.rank.imbalance = 1.5;
  cost.rank.message_sec = 0.25;
  cost.small_sums = {10, 1000, 0};
  EXPECT_DOUBLE_EQ(message_sec(cost), 0.25 + 10 * 5e-6 + 1000 * 1e-10);  // comm/chain.h
  EXPECT_DOUBLE_EQ(step_sec(cost, 4, {1e9, 0.5}), 3.5 + message_sec(cost));
}

TEST(Cost, ARunAddsItsStages) {
  ModelSpec longer = recipe();
  longer.tokens.insert(longer.tokens.begin(), 2);
  const RunCost run = cost_of_run(run_of({recipe(), longer}), 65, 2);
  ASSERT_EQ(run.stages.size(), 2u);
  ASSERT_EQ(run.meshes.size(), 2u);
  EXPECT_EQ(run.meshes[1].best().cuts.batch, 2);
  EXPECT_EQ(run.tokens, 10 * 12 * (64 + 128));
  EXPECT_EQ(run.stages[0].flops + run.stages[1].flops, run.plan.flops);
  EXPECT_FALSE(run.stages[0].growth.has_value());
  ASSERT_TRUE(run.stages[1].growth.has_value());
  EXPECT_EQ(run.stages[1].growth->promise.kind, PromiseKind::window_start);
}

// Old weights, gradients and two moments, new weights and gradients; then the new moments, or the
// new model on the two windows of the probe if that needs more.
TEST(Cost, AGrowthHoldsBothModels) {
  ModelSpec longer = recipe();
  longer.tokens.insert(longer.tokens.begin(), 2);
  const RunCost run = cost_of_run(run_of({recipe(), longer}), 65, 2);
  const StageCost &before = run.stages[0], &after = run.stages[1];
  const std::int64_t held = 16 * before.weights + 8 * after.weights;
  const std::int64_t probe = cost_of(stage_of(longer, 2), {}, on(1)).rank.bytes.activations;
  EXPECT_EQ(after.growing_bytes, held + std::max(8 * after.weights, probe));
  EXPECT_EQ(before.growing_bytes, 0);
}

TEST(Cost, RefusesWhatTrainRefuses) {
  const auto at = [](const RunConfig& config, int ranks) {
    return refusal([&] { cost_of_run(config, 65, ranks); });
  };
  RunConfig config = run_of({recipe()});
  const auto named = [&](int batch) {
    config.stages[0].mesh = {batch, {}, 1};
    return at(config, batch);
  };
  expect_in("more replicas than windows: 16 replicas, a batch of 12", named(16));
  expect_in("5 replicas must divide the batch of 12", named(5));
  expect_in("3 replicas must divide the batch of 12 windows and the 64 streams", named(3));
  config.stages[0].mesh = {2, {}, 1};
  expect_in("mesh batch 2: it is of 2 ranks, not 4 ranks", at(config, 4));
  ModelSpec gateless = recipe();
  gateless.gate = false;
  expect_in("model.gate true -> false", at(run_of({recipe(), gateless}), 1));
}

}  // namespace
}  // namespace ortho
