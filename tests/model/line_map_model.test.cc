// Whole models whose axes have maps of several kinds: gradients, causality, meshes.
#include <gtest/gtest.h>

#include "tests/support/errors.h"
#include "tests/support/gradcheck.h"
#include "tests/support/model_kit.h"
#include "tests/support/stack_kit.h"

namespace ortho {
namespace {

using enum MapKind;
using test::StackCase;

struct Kinds {
  std::vector<MapKind> maps;
  std::vector<std::int64_t> sets;
};

const std::vector<Kinds> kKinds = {
    {{attention, attention, attention}, {}},    {{attention, joint, attention}, {}},
    {{joint, attention, attention}, {1, 2, 2}}, {{attention, joint, attention}, {1, 2, 1}},
    {{joint, joint, joint}, {1, 2, 1}},         {{joint, joint, joint}, {1, 1, 1}},
};

ModelSpec small_model(const Kinds& kinds, Wiring wiring) {
  ModelSpec spec;
  spec.tokens = {2, 2, 3};
  spec.channels = 5;
  spec.hidden = 4;
  spec.text_symbols = 7;
  spec.maps = kinds.maps;
  spec.sets = kinds.sets;
  spec.heads = has_attention(spec) ? 2 : 1;
  spec.wiring = wiring;
  return spec;
}

// As in model.test.cc, of a sample of every weight's elements.
void expect_gradients(const ModelSpec& spec) {
  ModelKit<double> kit(spec, 3, 5);
  const Batch batch = random_batch(spec, 3, 11);
  double scored = 0;
  for (const Target& target : batch.target) scored += target.scored ? 1 : 0;
  const auto loss = [&] { return kit.model.train(batch, {}, scored, {}).loss({}); };
  loss();
  std::vector<double> gradient(kit.params.grads().begin(), kit.params.grads().end());
  for (Param<double>& param : kit.params.all()) {
    double largest = 0;
    for (std::int64_t i = 0; i < param.size; i += 1 + param.size / 10) {
      const double numeric = central_difference(param.value[i], loss);
      const double ours = gradient[static_cast<size_t>(param.offset + i)];
      largest = std::max(largest, std::abs(ours));
      // Central differences of step 1e-5 in double are right to about 1e-9 of the loss, some 10.
      EXPECT_NEAR(numeric, ours, 2e-5 * (std::abs(numeric) + std::abs(ours) + 1e-4))
          << param.spec.name << "[" << i << "]";
    }
    if (param.spec.name.find("axis") != std::string::npos) {
      EXPECT_GT(largest, 0) << param.spec.name << ": nothing was checked";
    }
  }
}

TEST(LineMapModel, GradientsOfEveryKindAndWiring) {
  for (const Kinds& kinds : kKinds)
    for (const Wiring wiring : {Wiring::causal, Wiring::grid, Wiring::grid_causal})
      for (const Combine combine : {Combine::sequential, Combine::parallel}) {
        ModelSpec spec = small_model(kinds, wiring);
        spec.combine = combine;
        SCOPED_TRACE(text("wiring ", static_cast<int>(wiring)));
        expect_gradients(spec);
      }
}

TEST(LineMapModel, GradientsWithoutGateOutOrNormAndThroughRefeeds) {
  ModelSpec spec = small_model(kKinds[1], Wiring::causal);
  spec.refeeds = 2;
  spec.activation = Activation::silu;  // smooth, for steps across 0
  expect_gradients(spec);
  spec.gate = false;
  spec.norm = Norm::none;
  expect_gradients(spec);
  spec.out = false;
  spec.hidden = spec.channels = 6;
  expect_gradients(spec);
}

TEST(LineMapModel, GradientsOfBranchesWithBiases) {
  ModelSpec spec = small_model(kKinds[3], Wiring::causal);
  spec.blocks = 1;
  spec.branches = 2;
  spec.bias = true;
  expect_gradients(spec);
}

// No output may move by a bit when a later token changes (docs/layer.md, section 3).
TEST(LineMapModel, NoOutputSeesALaterToken) {
  for (const Kinds& kinds : kKinds)
    for (const Wiring wiring : {Wiring::causal, Wiring::grid_causal}) {
      ModelSpec spec = small_model(kinds, wiring);
      spec.refeeds = 2;
      ModelKit<float> kit(spec, 1, 3);
      Batch batch = random_batch(spec, 1, 4);
      std::vector<std::int32_t> rows;
      for (std::int32_t t = 0; t < context(spec); ++t) rows.push_back(t);
      const auto logits = [&] {
        std::vector<float> out(rows.size() * 7);
        kit.model.run(batch);
        kit.model.head().logits("text", rows, {}, out.data());
        return out;
      };
      const auto before = logits();
      for (size_t p = 0; p < rows.size(); ++p) {
        const Token kept = batch.input[p];
        batch.input[p] = {1, {(kept.symbol[0] + 1) % 7}, {}, 0};
        const auto after = logits();
        const auto at = static_cast<std::ptrdiff_t>(p * 7);
        EXPECT_TRUE(std::equal(before.begin(), before.begin() + at, after.begin()))
            << "a token before " << p << " saw it, wiring " << static_cast<int>(wiring);
        EXPECT_FALSE(std::equal(before.begin() + at, before.end(), after.begin() + at))
            << "token " << p << " moves nothing";
        batch.input[p] = kept;
      }
    }
}

// Shapes, meshes and wirings as for joint stacks, with kinds and sets drawn for each axis.
StackCase draw_kinds(std::uint64_t seed, std::uint64_t number, int ranks, int channels) {
  for (std::uint64_t attempt = 0;; ++attempt) {
    StackCase one = test::draw_stack(seed, 1000 * number + attempt, ranks, channels);
    ModelSpec& spec = one.spec;
    test::Draw draw(seed + 1, 1000 * number + attempt);
    for (size_t axis = 0; axis < spec.tokens.size(); ++axis) {
      spec.sets.push_back(draw.below(3));
      spec.maps.push_back(draw.below(2) == 0 ? joint : attention);
      for (size_t outer = 0; outer < axis; ++outer)
        if (spec.sets[outer] == spec.sets[axis]) spec.maps[axis] = spec.maps[outer];
    }
    spec.heads = has_attention(spec) ? 6 : 1;
    spec.hidden = 12;
    spec.gate = draw.below(2) == 0;
    spec.norm = Norm::rms;
    spec.activation = Activation::silu;
    try {
      check_spec(spec);
      joint_sites(spec, Sharding(spec, one.windows, one.cuts, 0, one.order));
    } catch (const Error&) {
      continue;  // a set finds no layout that leaves it whole
    }
    return one;
  }
}

class LineMapRanks : public testing::TestWithParam<std::pair<int, int>> {};

// The same products in sums of another order, in double: 1e-16 for each of some thousand terms,
// grown by up to 16 sublayers.
TEST_P(LineMapRanks, EqualsOneRankUpToTheOrderOfSums) {
  int attends = 0, halos = 0, sets = 0;
  for (std::uint64_t number = 0; number < 25; ++number) {
    const auto [ranks, channels] = GetParam();
    const StackCase one = draw_kinds(21, number, ranks, channels);
    SCOPED_TRACE(text("maps ", one.spec.maps.size(), " sets ", list_text(one.spec.sets)));
    test::check_stack<double>(one, test::small_real, 1e-11);
    for (const JointSite& site :
         joint_sites(one.spec, Sharding(one.spec, one.windows, one.cuts, 0, one.order))) {
      const bool attention_here = site.map.kind == attention;
      attends += attention_here ? 1 : 0;
      halos += attention_here && site.halo ? 1 : 0;
      sets += site.map.axes.size() > 1 ? 1 : 0;
    }
  }
  EXPECT_GT(attends, 10);
  EXPECT_GT(sets, 5);
  EXPECT_GT(halos, GetParam().first > 1 ? 3 : -1);
}

INSTANTIATE_TEST_SUITE_P(RanksAndChannels, LineMapRanks,
                         testing::Values(std::pair(1, 1), std::pair(2, 1), std::pair(3, 1),
                                         std::pair(4, 1), std::pair(6, 1), std::pair(1, 2),
                                         std::pair(1, 3), std::pair(2, 2), std::pair(2, 3),
                                         std::pair(4, 2)),
                         [](const auto& one) {
                           return text(one.param.first, "x", one.param.second);
                         });

TEST(LineMapModel, RefusesToCutAHead) {
  const ModelSpec spec = small_model(kKinds[0], Wiring::causal);
  const std::string why = message_of([&] { Sharding(spec, 4, {1, {}, 3}, 0); }, ErrorKind::usage);
  expect_in("into 3 parts, but attention has 2 heads", why);
}

}  // namespace
}  // namespace ortho
