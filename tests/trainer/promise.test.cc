// The check of a growth's promise: it holds for real growths, and each broken rule is noticed.
#include "trainer/promise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <utility>

#include "tests/support/agreement.h"
#include "tests/support/errors.h"
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

TEST(Promise, NoticesWhatIsNoNumber) {
  const auto damage = [](Params<float>& grown) { grown.at("head.text").value[0] = std::nanf(""); };
  const PromiseCheck result = check(longer(), damage);
  EXPECT_FALSE(result.kept);
  EXPECT_EQ(result.largest_difference, INFINITY);
  const GrowPlan plan = plan_growth(small(), longer());
  EXPECT_NE(check_text(plan, result).find("BROKEN"), std::string::npos);
}

TEST(GrowRun, ReplacesAllOrNothing) {
  const auto backend = make_cpu_backend<float>(1);
  RunState state(small());
  state.params = random_params(small());
  state.optimizer = fresh_state(OptimizerConfig{}, state.params);
  const std::int64_t weights = state.params.size();
  float& weight = state.params.at("head.text").value[0];
  const float number = std::exchange(weight, std::nanf(""));
  EXPECT_NE(message_of([&] { grow_run(state, longer(), *backend, 4); }, ErrorKind::internal)
                .find("broke its promise at step 0"),
            std::string::npos);
  EXPECT_EQ(state.spec, small());
  EXPECT_EQ(state.params.size(), weights);
  EXPECT_EQ(state.optimizer.first.size(), weights);
  EXPECT_TRUE(state.growths.empty());
  weight = number;
  grow_run(state, longer(), *backend, 4);
  EXPECT_EQ(state.spec, longer());
  EXPECT_EQ(state.params.size(), count_weights(param_specs(longer())));
  EXPECT_EQ(state.optimizer.first.size(), state.params.size());
  EXPECT_EQ(state.optimizer.second.size(), state.params.size());
  ASSERT_EQ(state.growths.size(), 1u);
  EXPECT_NE(state.growths[0].find(", kept"), std::string::npos) << state.growths[0];
}

}  // namespace
}  // namespace ortho
