#include "trainer/density.h"

#include <algorithm>
#include <mutex>

#include "tests/support/run_kit.h"
#include "tests/support/sharded_state.h"

namespace ortho {
namespace {

ModelSpec spec_of(MapKind map, double density, Mask mask) {
  ModelSpec spec;
  spec.map = map;
  spec.tokens = {4, 2};
  spec.channels = 6;
  spec.hidden = 5;
  spec.blocks = 1;
  spec.weights = map == MapKind::dense ? Weights::separate : Weights::shared;
  spec.text_symbols = 5;
  spec.density = density;
  spec.mask = mask;
  return spec;
}

const Mesh kOneRank({});

// A state of normal numbers, some connections closed.
RunState some_state(const ModelSpec& spec, const Mesh& mesh, int rank) {
  RunState state = state_on(spec, mesh, 5, rank);
  fill_state(state);
  state.step = 12;
  return state;
}

std::vector<std::int64_t> targets(const ModelSpec& spec) {
  std::vector<std::int64_t> counts;
  for (const ParamSpec& param : param_specs(spec))
    if (param.sparse()) counts.push_back(open_target(param));
  return counts;
}

TEST(Density, IsReachedExactly) {
  const auto channel = make_single_channel();
  for (const Mask mask : {Mask::magnitude, Mask::random})
    for (const double density : {0.001, 0.1, 0.37, 0.9}) {
      const ModelSpec spec = spec_of(MapKind::dense, density, mask);
      RunState state(spec);
      state.params.initialise(3);  // as many as the draw opens: too few here and too many there
      state.optimizer = fresh_state(OptimizerConfig{}, state.params);
      fit_density(*channel, state, 3, Fit::both);
      EXPECT_EQ(count_open(*channel, state.params), targets(spec));
    }
}

TEST(Density, TheLargestStayAndWhatClosesHasNoMoments) {
  const auto channel = make_single_channel();
  const ModelSpec spec = spec_of(MapKind::joint, 0.3, Mask::magnitude);
  RunState state = some_state(spec, kOneRank, 0);
  const RunState before = some_state(spec, kOneRank, 0);
  fit_density(*channel, state, 3, Fit::both);
  for (size_t p = 0; p < state.params.all().size(); ++p) {
    const Param<float>&is = state.params.all()[p], &was = before.params.all()[p];
    float least_open = 1e9f, largest_closed = 0;
    for (std::int64_t i = 0; i < is.size; ++i) {
      const bool open = is.value[i] != 0;
      const std::int64_t moment = state.params.moment_of(is, i);
      EXPECT_EQ(is.value[i], open ? was.value[i] : 0.0f);
      EXPECT_EQ(state.optimizer.first[moment], open ? before.optimizer.first[moment] : 0.0f);
      EXPECT_EQ(state.optimizer.second[moment], open ? before.optimizer.second[moment] : 0.0f);
      if (open) least_open = std::min(least_open, std::abs(was.value[i]));
      if (!open) largest_closed = std::max(largest_closed, std::abs(was.value[i]));
    }
    EXPECT_LE(largest_closed, least_open) << is.spec.name;
    EXPECT_EQ(largest_closed > 0, is.spec.sparse()) << is.spec.name;
  }
}

// Equal magnitudes: the number is exact all the same, the first of them stay.
TEST(Density, TiesGoByPlace) {
  const auto channel = make_single_channel();
  RunState state = some_state(spec_of(MapKind::joint, 0.25, Mask::magnitude), kOneRank, 0);
  for (float& value : state.params.values()) value = value > 0 ? 0.5f : -0.5f;
  fit_density(*channel, state, 3, Fit::both);
  for (const Param<float>& param : state.params.all())
    for (std::int64_t i = 0; i < param.size && param.spec.sparse(); ++i)
      EXPECT_EQ(param.value[i] != 0, i < open_target(param.spec)) << param.spec.name << "[" << i;
}

TEST(Density, RandomMasksOfTwoDensitiesAreNested) {
  const auto channel = make_single_channel();
  RunState low = some_state(spec_of(MapKind::joint, 0.2, Mask::random), kOneRank, 0);
  RunState high = some_state(spec_of(MapKind::joint, 0.5, Mask::random), kOneRank, 0);
  fit_density(*channel, low, 3, Fit::both);
  fit_density(*channel, high, 3, Fit::both);
  std::int64_t more = 0;
  for (size_t i = 0; i < low.params.values().size(); ++i) {
    const bool in_low = low.params.values()[i] != 0, in_high = high.params.values()[i] != 0;
    EXPECT_TRUE(!in_low || in_high);
    more += in_high && !in_low ? 1 : 0;
  }
  EXPECT_GT(more, 100);
}

TEST(Density, AnExchangeClosesTheSmallestAndOpensOthersBesideZero) {
  const auto channel = make_single_channel();
  const ModelSpec spec = spec_of(MapKind::joint, 0.3, Mask::magnitude);
  RunState state = some_state(spec, kOneRank, 0);
  fit_density(*channel, state, 3, Fit::both);
  const std::vector<float> before(state.params.values().begin(), state.params.values().end());
  exchange_connections(*channel, state, 3, 0.1);
  EXPECT_EQ(count_open(*channel, state.params), targets(spec));
  for (const Param<float>& param : state.params.all()) {
    std::int64_t closed = 0, opened = 0;
    float largest = 0, least = 1e9f;
    for (std::int64_t i = 0; i < param.size && param.spec.sparse(); ++i) {
      const float was = before[static_cast<size_t>(param.offset + i)], is = param.value[i];
      if (was != 0 && is == 0) {
        ++closed;
        largest = std::max(largest, std::abs(was));
      } else if (was != 0) {
        least = std::min(least, std::abs(was));
        EXPECT_EQ(is, was);
      } else if (is != 0) {
        ++opened;
        EXPECT_EQ(std::abs(is), static_cast<float>(kOpened));
      }
      if (is != 0) continue;
      EXPECT_EQ(state.optimizer.first[state.params.moment_of(param, i)], 0.0f);
    }
    if (!param.spec.sparse()) continue;
    EXPECT_EQ(closed, std::llround(0.1 * static_cast<double>(open_target(param.spec))));
    EXPECT_EQ(opened, closed);
    EXPECT_LE(largest, least);
  }
}

TEST(Density, AtOtherStepsOthersOpen) {
  const auto channel = make_single_channel();
  const ModelSpec spec = spec_of(MapKind::joint, 0.3, Mask::magnitude);
  std::vector<std::vector<float>> results;
  for (const std::int64_t step : {12, 12, 13}) {
    RunState state = some_state(spec, kOneRank, 0);
    fit_density(*channel, state, 3, Fit::both);
    state.step = step;
    exchange_connections(*channel, state, 3, 0.2);
    results.emplace_back(state.params.values().begin(), state.params.values().end());
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_NE(results[0], results[2]);
}

// However the ranks hold the weights, the same connections close and open.
TEST(Density, IsTheSameOnEveryMesh) {
  for (const MapKind map : {MapKind::joint, MapKind::dense})
    for (const Mask mask : {Mask::magnitude, Mask::random}) {
      const ModelSpec spec = spec_of(map, 0.3, mask);
      const auto single = make_single_channel();
      RunState one = some_state(spec, kOneRank, 0);
      const auto change = [](Channel& world, RunState& state) {
        fit_density(world, state, 3, Fit::both);
        exchange_connections(world, state, 3, 0.25);
      };
      change(*single, one);
      for (const Mesh& mesh : {Mesh({{"a", 2}}), Mesh({{"a", 2}, {"b", 2}})})
        run_local_ranks(mesh.ranks(), [&](Channel& world) {
          RunState part = some_state(spec, mesh, world.rank());
          change(world, part);
          expect_part_of(one, part);
        });
    }
}

TEST(Density, GradientsOfClosedConnectionsAreDropped) {
  const auto channel = make_single_channel();
  RunState state = some_state(spec_of(MapKind::joint, 0.3, Mask::magnitude), kOneRank, 0);
  fit_density(*channel, state, 3, Fit::both);
  std::fill(state.params.grads().begin(), state.params.grads().end(), 1.0f);
  drop_closed_gradients(state.params);
  for (const Param<float>& param : state.params.all())
    for (std::int64_t i = 0; i < param.size; ++i)
      EXPECT_EQ(param.grad[i], param.spec.sparse() && param.value[i] == 0 ? 0.0f : 1.0f);
}

// Twenty updates with gradients for all, closed ones too.
TEST(Density, WhatIsClosedStaysExactlyZeroAndWhatIsOpenStaysOpen) {
  const auto channel = make_single_channel();
  for (const auto name : {OptimizerConfig::Name::adamw, OptimizerConfig::Name::sgd}) {
    OptimizerConfig config;
    config.name = name;
    RunState state(spec_of(MapKind::dense, 0.3, Mask::random));
    state.params.initialise(3);
    state.optimizer = fresh_state(config, state.params);
    fit_density(*channel, state, 3, Fit::both);
    const std::vector<float> before(state.params.values().begin(), state.params.values().end());
    const auto backend = make_cpu_backend<float>(1);
    Optimizer<float> optimizer(config, state.params, state.optimizer);
    for (int step = 0; step < 20; ++step) {
      for (size_t i = 0; i < before.size(); ++i)  // some lead exactly to 0
        state.params.grads()[i] = step == 0 && i % 3 == 0 ? before[i] : 0.01f;
      const bool to_zero = step == 0 && name == OptimizerConfig::Name::sgd;
      optimizer.update(*backend, state.params, to_zero ? 1.0 : 1e-3, 1.0);
    }
    for (const Param<float>& param : state.params.all())
      for (std::int64_t i = 0; i < param.size && param.spec.sparse(); ++i) {
        const bool closed = before[static_cast<size_t>(param.offset + i)] == 0;
        EXPECT_EQ(param.value[i] == 0, closed);
        if (!closed) continue;
        EXPECT_EQ(state.optimizer.first[state.params.moment_of(param, i)], 0.0f);
      }
  }
}

// ---- whole runs ----

class SparseRun : public testing::Test {
 protected:
  RunConfig config(const std::string& out) const {
    RunConfig config = kit_.config(out, "regrow: {every: 3, share: 0.2, until: 1}\n");
    const double densities[] = {0.2, 0.2, 0.6, 0.3};  // with axes, longer, media: 24 steps in all
    for (size_t i = 0; i < 4; ++i) config.stages[i].model.density = densities[i];
    config.model.density = 0.2;
    return config;
  }
  RunKit kit_;
};

TEST_F(SparseRun, GrowsAndShrinksAndResumesBitForBit) {
  const RunConfig whole = config("whole"), resumed = config("resumed");
  ASSERT_TRUE(run(whole));
  const auto state = newest_state(whole);
  const auto channel = make_single_channel();
  EXPECT_EQ(count_open(*channel, state->params), targets(state->spec));
  ASSERT_EQ(state->growths.size(), 3u);
  EXPECT_NE(state->growths[1].find("density 0.2 -> 0.6"), std::string::npos);
  EXPECT_NE(state->growths[1].find("kept"), std::string::npos);
  EXPECT_NE(state->growths[2].find("connections close"), std::string::npos);
  copy_run(whole, resumed, 8);
  ASSERT_TRUE(run(resumed));
  EXPECT_EQ(metric_lines(whole), metric_lines(resumed));
  const auto again = newest_state(resumed);
  EXPECT_TRUE(std::equal(state->params.values().begin(), state->params.values().end(),
                         again->params.values().begin(), again->params.values().end()));
}

// The same seed, data and rule on two ranks: losses agree up to the order of sums over ranks, which
// 24 steps amplify.
TEST_F(SparseRun, TwoRanksTrainTheSameModel) {
  RunConfig one = config("one"), two = config("two");
  for (StageConfig& stage : two.stages) stage.mesh = {2, {}, 1};
  ASSERT_TRUE(run(one));
  run_local_ranks(2, [&](Channel& world) { EXPECT_TRUE(TrainingRun(two, world).go()); });
  const auto a = newest_state(one), b = newest_state(two);
  const auto channel = make_single_channel();
  EXPECT_EQ(count_open(*channel, b->params), count_open(*channel, a->params));
  std::int64_t differ = 0, all = 0;
  for (const Param<float>& param : a->params.all())
    for (std::int64_t i = 0; i < param.size && param.spec.sparse(); ++i, ++all)
      differ += (param.value[i] == 0) != (b->params.at(param.spec.name).value[i] == 0) ? 1 : 0;
  EXPECT_LT(differ, all / 50);
}

}  // namespace
}  // namespace ortho
