// Mirrored wiring: taps back and their mirror image ahead, the gate crossing the two.
#include <gtest/gtest.h>

#include <numeric>

#include "model/joint_map.h"
#include "tests/support/errors.h"
#include "tests/support/grow_rows.h"
#include "tests/support/model_kit.h"
#include "tests/support/stack_draw.h"
#include "tests/support/stack_kit.h"

namespace ortho {
namespace {

using test::StackCase;

ModelSpec mirrored(const Shape& tokens) {
  ModelSpec spec = test::small_spec(tokens);
  spec.wiring = Wiring::mirrored;
  spec.hidden = 4;
  return spec;
}

// One channel into the unit that looks back and the one that looks ahead, all weights one, nothing
// in between: entry t of unit e counts the paths from token p to token t. The two chains are kept
// apart by ways out that hand on one unit alone.
std::vector<double> path_counts(const Shape& axes, std::int64_t source, bool ahead) {
  ModelSpec spec = mirrored(axes);
  spec.channels = 1;
  spec.hidden = 2;
  spec.blocks = 1;
  spec.residual = false;
  spec.activation = Activation::none;
  test::StackKit<double> kit({spec, 1, {}, {}}, 0, nullptr);
  for (const Param<double>& param : kit.params.all())
    for (std::int64_t i = 0; i < param.size; ++i)
      param.value[i] = param.spec.name.ends_with(".w2") ? (i == (ahead ? 1 : 0)) : 1.0;
  std::fill_n(kit.stack.input(), elements(axes), 0.0);
  kit.stack.input()[source] = 1;
  kit.stack.forward({});
  return {kit.stack.output(), kit.stack.output() + elements(axes)};
}

TEST(Mirrored, ChainsReachEveryTokenByOnePathEachWay) {
  for (const Shape& axes : {Shape{2, 2, 2, 2}, Shape{4, 4}, Shape{3, 5}, Shape{2, 3, 4}, Shape{6}})
    for (std::int64_t p = 0; p < elements(axes); ++p) {
      const auto back = path_counts(axes, p, false), ahead = path_counts(axes, p, true);
      for (std::int64_t t = 0; t < elements(axes); ++t) {
        EXPECT_EQ(back[static_cast<size_t>(t)], t >= p ? 1 : 0) << p << " -> " << t;
        EXPECT_EQ(ahead[static_cast<size_t>(t)], t <= p ? 1 : 0) << p << " -> " << t;
      }
    }
}

// Units 0 and 1 of u look back and 2 and 3 ahead, those of v the other way round: token 0 of two
// hears of token 1 in the columns that look ahead alone.
TEST(Mirrored, TheGateCrossesTheDirections) {
  ModelSpec spec = mirrored({2});
  spec.channels = 1;
  spec.gate = true;
  const Sharding sharding(spec, 1);
  Params<double> params(param_specs(spec));
  const auto backend = make_cpu_backend<double>(1);
  Arena<double> arena;
  Moves<double> moves(sharding, nullptr, arena);
  const Build<double> build{spec, sharding, params, *backend, arena, moves};
  const auto sites = joint_sites(spec, sharding);
  Param<double>& weight = params.at("block.0.axis.0.w1");  // [2 taps][1][u, v][4]
  for (std::int64_t i = 0; i < weight.size; ++i) weight.value[i] = i < 8 ? 0 : 1;
  JointMap<double> map(build, sites[0], weight, take_joint_scratch<double>(build, sites), "map");
  const std::vector<double> x = {10, 20};
  std::vector<double> z(16);
  map.forward(x.data(), z.data());
  EXPECT_EQ(z, (std::vector<double>{0, 0, 20, 20, 20, 20, 0, 0,     // u, v of token 0
                                    10, 10, 0, 0, 0, 0, 10, 10}));  // of token 1
}

// Random weights: each token's logits change with each token of the window.
TEST(Mirrored, EveryTokenSeesEveryOther) {
  ModelSpec spec = mirrored({2, 3, 2});
  spec.gate = true;
  spec.norm = Norm::rms;
  spec.text_symbols = 5;
  ModelKit<double> kit(spec, 1, 3);
  Batch batch = random_batch(spec, 1, 4);
  for (Token& token : batch.input) token.modality = 1, token.symbol = {1, 0, 0};
  std::vector<std::int32_t> rows(12);
  std::iota(rows.begin(), rows.end(), 0);
  const auto logits = [&] {
    std::vector<double> out(rows.size() * 5);
    kit.model.run(batch);
    kit.model.head().logits("text", rows, {}, out.data());
    return out;
  };
  const auto before = logits();
  for (size_t p = 0; p < rows.size(); ++p) {
    batch.input[p].symbol[0] = 2;
    const auto after = logits();
    for (size_t t = 0; t < rows.size(); ++t) EXPECT_NE(before[5 * t], after[5 * t]) << p << t;
    batch.input[p].symbol[0] = 1;
  }
}

// ---- on ranks ----

// A drawn stack, mirrored where the draw carries.
StackCase draw(std::uint64_t seed, std::uint64_t number, int ranks, int channels) {
  for (std::uint64_t attempt = 0;; ++attempt) {
    StackCase one = test::draw_stack(seed, number + 1000 * attempt, ranks, channels);
    if (one.spec.wiring != Wiring::causal) continue;
    one.spec.wiring = Wiring::mirrored;
    one.spec.hidden = 4;
    return one;
  }
}

class MirroredRanks : public testing::TestWithParam<std::pair<int, int>> {};

TEST_P(MirroredRanks, EqualOneRankInWholeNumbers) {
  for (std::uint64_t number = 0; number < 25; ++number) {
    const StackCase one = draw(21, number, GetParam().first, GetParam().second);
    test::check_stack<double>(one, test::whole_numbers(one.spec.residual ? 4 : 2), 0);
  }
}

// 1e-11: as for the other wirings (stack_shard.test.cc).
TEST_P(MirroredRanks, EqualOneRankUpToTheOrderOfSums) {
  for (std::uint64_t number = 0; number < 20; ++number) {
    StackCase one = draw(22, number, GetParam().first, GetParam().second);
    test::Draw more(23, number);
    one.spec.gate = more.below(3) > 0;
    one.spec.activation = test::one_of<Activation>(more, {Activation::melu, Activation::silu});
    one.spec.norm = test::one_of<Norm>(more, {Norm::rms, Norm::layer});
    test::check_stack<double>(one, test::small_real, 1e-11);
  }
}

INSTANTIATE_TEST_SUITE_P(RanksAndChannels, MirroredRanks,
                         testing::Values(std::pair(1, 1), std::pair(2, 1), std::pair(3, 1),
                                         std::pair(4, 1), std::pair(8, 1), std::pair(1, 2),
                                         std::pair(1, 3), std::pair(2, 2), std::pair(4, 2)),
                         [](const auto& one) {
                           return text(one.param.first, "x", one.param.second);
                         });

// By hand: every cut of three axes, whole numbers in float.
TEST(Mirrored, CutsOfSeveralAxes) {
  for (const Cuts& cuts : {Cuts{1, {2}}, Cuts{1, {1, 3}}, Cuts{1, {2, 2}}, Cuts{1, {2, 1, 2}},
                           Cuts{1, {2, 2, 2}}, Cuts{2, {2}}, Cuts{1, {2}, 2}})
    for (const Combine combine : {Combine::sequential, Combine::parallel}) {
      StackCase one = {mirrored({4, 5, 3}), 2, cuts, {}};
      one.spec.blocks = 1;
      one.spec.combine = combine;
      test::check_stack<float>(one, test::whole_numbers(), 0);
    }
}

// ---- cost, growth, refusals ----

TEST(Mirrored, CostsWhatCausalCosts) {
  ModelSpec spec;
  spec.tokens = {4, 4, 4};
  spec.hidden = 64;
  spec.text_symbols = 65;
  const Cost causal = forward_macs(spec);
  const std::int64_t weights = count_weights(param_specs(spec));
  spec.wiring = Wiring::mirrored;
  EXPECT_EQ(forward_macs(spec).nominal, causal.nominal);
  EXPECT_EQ(forward_macs(spec).executed, causal.executed);
  EXPECT_EQ(count_weights(param_specs(spec)), weights);
}

ModelSpec to_grow(const Shape& tokens) {
  return changed(joint(tokens), [](ModelSpec& spec) { spec.wiring = Wiring::mirrored; });
}

// No promise on old windows, which now see what comes after them. But what is new adds nothing: an
// axis added outside, and the outermost one made as much longer, compute the same.
TEST(Mirrored, ALongerWindowIsTheOldModelRunningOn) {
  const ModelSpec from = to_grow({2, 3}), added = to_grow({2, 2, 3}), longer = to_grow({4, 3});
  Params<double> before(param_specs(from)), with_axis(param_specs(added)),
      with_taps(param_specs(longer));
  before.initialise(1);
  const GrowPlan plan = plan_growth(from, added);
  EXPECT_EQ(plan.promise.kind, PromiseKind::none);
  expect_in("tokens see those that now come after", plan.promise.reason);
  apply_growth(plan, before, with_axis, 2);
  apply_growth(plan_growth(from, longer), before, with_taps, 2);
  const auto run = [](const ModelSpec& spec, Params<double>& params) {
    const auto backend = make_cpu_backend<double>(1);
    Arena<double> arena;
    Model<double> model(spec, Sharding(spec, 2), params, *backend, arena);
    model.run(random_batch(spec, 2, 8));
    std::vector<std::int32_t> rows(24);
    std::iota(rows.begin(), rows.end(), 0);
    std::vector<double> logits(rows.size() * static_cast<size_t>(model.head().classes("text")));
    model.head().logits("text", rows, {}, logits.data());
    return logits;
  };
  EXPECT_EQ(run(added, with_axis), run(longer, with_taps));
}

// Old units go on in the half that looks their way, and the activated ones stay activated.
TEST(Mirrored, UnitsGrowInTheirOwnHalf) {
  for (const double active : {1.0, 0.75, 0.5, 0.25}) {
    const ModelSpec from = changed(to_grow({2, 3}), [&](ModelSpec& s) { s.active = active; });
    const ModelSpec to = changed(from, [](ModelSpec& s) { s.hidden = 8; });
    Params<double> before(param_specs(from)), after(param_specs(to));
    for (size_t i = 0; i < before.values().size(); ++i)
      before.values()[i] = static_cast<double>(i + 1);
    apply_growth(plan_growth(from, to), before, after, 9);
    const auto &old = before.at("block.0.axis.0.w2"), &w2 = after.at("block.0.axis.0.w2");
    std::int64_t kept = 0;
    for (std::int64_t e = 0; e < 8; ++e)
      for (std::int64_t was = 0; was < 4; ++was) {
        if (w2.value[3 * e] != old.value[3 * was]) continue;
        ++kept;
        EXPECT_EQ(e < 4, was < 2) << active;
        EXPECT_EQ(e < active_units(to), was < active_units(from)) << active;
      }
    EXPECT_EQ(kept, 4) << active;
  }
}

TEST(Mirrored, RefusesWhatHasNoMirrorImage) {
  ModelSpec spec = mirrored({4});
  spec.hidden = 3;
  expect_in("Use an even number, such as 4",
            message_of([&] { check_spec(spec); }, ErrorKind::usage));
  spec.map = MapKind::dense;
  expect_in("mirrored is for map: joint", message_of([&] { check_spec(spec); }, ErrorKind::usage));
  DenseMap map{{2, 2}, 1, 3, Order::batch_inner, 0, 2, Weights::shared, Wiring::mirrored};
  expect_in("mirrored is for map: joint", message_of([&] { weight_shape(map); }, ErrorKind::usage));
}

}  // namespace
}  // namespace ortho
