// The check of a growth's promise: it holds for real growths, and each broken rule is noticed.
#include "trainer/promise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "tests/support/agreement.h"
#include "tests/support/errors.h"
#include "tests/support/promise_kit.h"
#include "tests/support/sharded_state.h"
#include "tests/support/temp_folder.h"
#include "trainer/checkpoint.h"
#include "trainer/grow_run.h"
#include "trainer/optimizer.h"

namespace ortho {
namespace {

ModelSpec small() {
  ModelSpec spec;
  spec.tokens = {2, 2};
  spec.channels = 12;
  spec.hidden = 8;
  spec.blocks = 1;
  spec.text_symbols = 9;
  spec.modality_head = spec.modality_table = true;
  return spec;
}

Params<float> random_params(const ModelSpec& spec) {
  Params<float> params(param_specs(spec));
  params.initialise(4);
  // Zero starts would hide what a growth breaks.
  const Random random(4, "promise test");
  for (std::int64_t i = 0; i < params.size(); ++i)
    params.values()[static_cast<size_t>(i)] +=
        static_cast<float>(0.2 * random.normal(static_cast<std::uint64_t>(i)));
  return params;
}

using Damage = std::function<void(Params<float>&)>;

PromiseCheck check(const ModelSpec& to, const Damage& damage = {}) {
  const auto backend = make_cpu_backend<float>(1);
  const GrowPlan plan = plan_growth(small(), to);
  Params<float> old_params = random_params(small()), grown(param_specs(to));
  apply_growth(plan, old_params, grown, 4);
  if (damage) damage(grown);
  return check_promise(plan, old_params, grown, *backend, 4);
}

void add(Params<float>& params, const std::string& name, float value) {
  Param<float>& param = params.at(name);
  for (std::int64_t i = 0; i < param.size; ++i) param.value[i] += value;
}

ModelSpec more_blocks() {
  ModelSpec to = small();
  to.blocks = 2;
  return to;
}

ModelSpec longer() {
  ModelSpec to = small();
  to.tokens = {4, 2};
  return to;
}

TEST(Promise, KeptByRealGrowths) {
  ModelSpec axis = small(), media = small(), wider = small();
  axis.tokens = {2, 2, 2};
  media.modalities = {Modality::text, Modality::pixel, Modality::audio};
  wider.hidden = 12;
  for (const ModelSpec& to : {more_blocks(), longer(), axis, media, wider}) {
    const PromiseCheck result = check(to);
    EXPECT_TRUE(result.kept) << result.largest_difference;
    EXPECT_GT(result.largest_logit, 0);
  }
}

TEST(Promise, NoticesABlockThatDoesNotStartAtZero) {
  bool found = false;
  for (const ParamSpec& spec : param_specs(more_blocks())) {
    if (spec.role != Role::out || spec.name.find("block.1.") == std::string::npos) continue;
    found = true;
    const PromiseCheck result =
        check(more_blocks(), [&](Params<float>& grown) { add(grown, spec.name, 0.1F); });
    EXPECT_FALSE(result.kept) << spec.name;
    EXPECT_GT(result.largest_difference, 0) << spec.name;
  }
  EXPECT_TRUE(found);
}

TEST(Promise, NoticesAChangedOldWeight) {
  for (const ParamSpec& spec : param_specs(small())) {
    if (spec.name.find("modality") != std::string::npos && spec.role == Role::table) continue;
    EXPECT_FALSE(check(longer(), [&](Params<float>& grown) { add(grown, spec.name, 0.1F); }).kept)
        << spec.name;
  }
}

// Where an axis must be whole, windows are cut in its place: each part has two, or, of long ones,
// one.
TEST(Promise, ProbesAsManyWindowsAsTheMeshNeeds) {
  ModelSpec from = small(), to = small();
  from.tokens = {4, 2};
  to.tokens = {8, 2};
  const GrowPlan plan = plan_growth(from, to);
  EXPECT_EQ(probe_windows(plan), 2);
  EXPECT_EQ(probe_windows(plan, {2, {}, 1}, {3, {}, 1}), 12);
  EXPECT_EQ(probe_windows(plan, {}, {1, {8}, 1}), 16);
  EXPECT_EQ(probe_windows(plan, {1, {2, 2}, 1}, {2, {2}, 1}), 16);
  from.tokens = to.tokens = {4096};
  to.tokens.front() *= 2;
  const GrowPlan longer_plan = plan_growth(from, to);
  EXPECT_EQ(probe_windows(longer_plan), 1);
  EXPECT_EQ(probe_windows(longer_plan, {}, {1, {8}, 1}), 8);  // windows are all there is to cut
}

// One window, and some of its 4096 old tokens: what is broken at every token is still seen.
TEST(Promise, ProbesALongContextWithOneWindow) {
  ModelSpec from = small();
  from.tokens = Shape(12, 2);
  from.channels = from.hidden = 2;
  ModelSpec to = from;
  to.tokens.push_back(2);
  const GrowPlan plan = plan_growth(from, to);
  EXPECT_EQ(probe_windows(plan), 1);
  EXPECT_EQ(probe_windows(plan_growth(small(), longer())), 2);
  EXPECT_EQ(probe_windows(plan_growth(small(), longer()), Cuts{4, {}, 1}, Cuts{6, {}, 1}), 24);
  const auto backend = make_cpu_backend<float>(1);
  Params<float> old_params = random_params(from), grown(param_specs(to));
  apply_growth(plan, old_params, grown, 4);
  EXPECT_TRUE(check_promise(plan, old_params, grown, *backend, 4).kept);
  add(grown, "head.text", 0.1F);
  EXPECT_FALSE(check_promise(plan, old_params, grown, *backend, 4).kept);
}

TEST(Promise, NoticesWhatIsNoNumber) {
  const auto damage = [](Params<float>& grown) { grown.at("head.text").value[0] = std::nanf(""); };
  const PromiseCheck result = check(longer(), damage);
  EXPECT_FALSE(result.kept);
  EXPECT_EQ(result.largest_difference, INFINITY);
  const GrowPlan plan = plan_growth(small(), longer());
  EXPECT_NE(check_text(plan, result).find("BROKEN"), std::string::npos);
}

// The state of a run between two stages, saved as it then is.
class GrowRun : public testing::Test {
 protected:
  GrowRun() {
    state_.params = random_params(small());
    state_.optimizer = fresh_state(OptimizerConfig{}, state_.params);
  }
  void save() { save_checkpoint(*world_, folder_.path(), state_, RunConfig{}, 9); }
  void grow(const ModelSpec& to) {
    grow_run(*world_, state_, to, Sharding(to, 2), OptimizerConfig{}, *backend_, 4);
  }

  // A rank's part of four windows.
  static Sharding part(const ModelSpec& spec, const Channel& world) {
    return {spec, 4, Cuts{world.ranks(), {}, 1}, world.rank()};
  }

  TempFolder folder_;
  const std::unique_ptr<Channel> world_ = make_single_channel();
  const std::unique_ptr<Backend<float>> backend_ = make_cpu_backend<float>(1);
  RunState state_{small()};
};

TEST_F(GrowRun, ReplacesModelWeightsAndMoments) {
  save();
  Params<float> expected(param_specs(longer()));
  apply_growth(plan_growth(small(), longer()), state_.params, expected, 4);
  grow(longer());
  EXPECT_EQ(state_.spec, longer());
  EXPECT_EQ(state_.sharding.windows(), 2);
  ASSERT_EQ(state_.params.size(), count_weights(param_specs(longer())));
  EXPECT_TRUE(std::ranges::equal(state_.params.values(), expected.values()));
  EXPECT_EQ(state_.optimizer.first.size(), state_.params.size());
  EXPECT_EQ(state_.optimizer.second.size(), state_.params.size());
  ASSERT_EQ(state_.growths.size(), 1u);
  EXPECT_NE(state_.growths[0].find(", kept"), std::string::npos) << state_.growths[0];
  EXPECT_EQ(state_.saved, "") << "no checkpoint holds the grown weights";
}

TEST_F(GrowRun, ABrokenPromiseIsNoGrowth) {
  state_.params.at("head.text").value[0] = std::nanf("");
  save();
  EXPECT_NE(
      message_of([&] { grow(longer()); }, ErrorKind::internal).find("broke its promise at step 0"),
      std::string::npos);
  EXPECT_TRUE(state_.growths.empty());
}

// Ranks along the batch share the probe's windows, and each loads its own part of what has grown.
TEST_F(GrowRun, OnThreeRanksIsThatOfOne) {
  save();
  const std::string path = state_.saved;
  grow(longer());
  run_local_ranks(3, [&](Channel& world) {
    const auto backend = make_cpu_backend<float>(1);
    RunState state = load_checkpoint(path, small(), OptimizerConfig{}, part(small(), world));
    grow_run(world, state, longer(), part(longer(), world), OptimizerConfig{}, *backend, 4);
    expect_part_of(state_, state);
    ASSERT_EQ(state.growths.size(), 1u);
    expect_in(", kept", state.growths[0]);
    for (const std::string& other : world.gather(state.growths[0]))
      EXPECT_EQ(other, state.growths[0]);
  });
}

TEST_F(GrowRun, OnThreeRanksABrokenPromiseIsSeenByAll) {
  state_.params.at("head.text").value[0] = std::nanf("");
  save();
  run_local_ranks(3, [&](Channel& world) {
    const auto backend = make_cpu_backend<float>(1);
    RunState state =
        load_checkpoint(state_.saved, small(), OptimizerConfig{}, part(small(), world));
    const auto act = [&] {
      grow_run(world, state, longer(), part(longer(), world), OptimizerConfig{}, *backend, 4);
    };
    expect_in("broke its promise at step 0", message_of(act, ErrorKind::internal));
  });
}

TEST_F(GrowRun, AnotherMeshLoadsTheSameWeightsAgain) {
  save();
  run_local_ranks(2, [&](Channel& world) {
    const auto backend = make_cpu_backend<float>(1);
    RunState state =
        load_checkpoint(state_.saved, small(), OptimizerConfig{}, part(small(), world));
    for (float& value : state.params.values()) value = 0;
    const Sharding tokens(small(), 4, Cuts{1, {2}, 1}, world.rank());
    grow_run(world, state, small(), tokens, OptimizerConfig{}, *backend, 4);
    expect_part_of(state_, state);
    EXPECT_EQ(state.sharding.cuts(), tokens.cuts());
    EXPECT_TRUE(state.growths.empty());
    EXPECT_EQ(state.saved, state_.saved);
  });
}

TEST_F(GrowRun, AnotherDropoutLoadsNothing) {
  ModelSpec to = small();
  to.dropout = 0.5;
  const float* values = state_.params.values().data();
  grow(to);  // though nothing is saved
  EXPECT_EQ(state_.spec, to);
  EXPECT_EQ(state_.params.values().data(), values);
  EXPECT_TRUE(state_.growths.empty());
}

}  // namespace
}  // namespace ortho
