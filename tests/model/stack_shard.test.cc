// The stack of joint blocks on every kind of mesh, ranks as threads, against one rank.
#include <gtest/gtest.h>

#include "tests/support/stack_draw.h"
#include "tests/support/stack_kit.h"

namespace ortho {
namespace {

using test::StackCase;

class StackRanks : public testing::TestWithParam<int> {};

// Every element is there exactly once, in output, input gradient and weight gradients.
TEST_P(StackRanks, EqualsOneRankInWholeNumbers) {
  for (std::uint64_t number = 0; number < 40; ++number) {
    const StackCase one = test::draw_stack(1, number, GetParam());
    // Without the residual sparse weights let nothing through.
    test::check_stack<double>(one, test::whole_numbers(one.spec.residual ? 4 : 2), 0);
  }
}

// The default block. The same products in sums of another order, in double: 1e-16 for each of some
// thousand terms, grown by up to 16 sublayers.
TEST_P(StackRanks, EqualsOneRankUpToTheOrderOfSums) {
  for (std::uint64_t number = 0; number < 25; ++number) {
    StackCase one = test::draw_stack(2, number, GetParam());
    test::Draw draw(3, number);
    one.spec.gate = draw.below(2) == 0;
    one.spec.activation = test::one_of<Activation>(draw, {Activation::melu, Activation::silu});
    one.spec.norm = test::one_of<Norm>(draw, {Norm::rms, Norm::layer});
    test::check_stack<double>(one, test::small_real, 1e-11);
  }
}

INSTANTIATE_TEST_SUITE_P(Ranks, StackRanks, testing::Values(1, 2, 3, 4, 5, 6, 8),
                         testing::PrintToStringParamName());

// The same with the channels cut as well, into parts of 2 and 2 channels and 2 and 1 units, or of
// 2, 1, 1 and 1, 1, 1.
class StackChannels : public testing::TestWithParam<std::pair<int, int>> {};

StackCase draw_with_channels(std::uint64_t seed, std::uint64_t number, std::pair<int, int> ranks) {
  StackCase one = test::draw_stack(seed, number, ranks.first, ranks.second);
  test::Draw draw(seed + 100, number);
  one.spec.out = draw.below(3) > 0;
  if (!one.spec.out) one.spec.hidden = one.spec.channels;
  return one;
}

TEST_P(StackChannels, EqualsOneRankInWholeNumbers) {
  for (std::uint64_t number = 0; number < 40; ++number) {
    const StackCase one = draw_with_channels(5, number, GetParam());
    test::check_stack<double>(one, test::whole_numbers(one.spec.residual ? 4 : 2), 0);
  }
}

TEST_P(StackChannels, EqualsOneRankUpToTheOrderOfSums) {
  for (std::uint64_t number = 0; number < 25; ++number) {
    StackCase one = draw_with_channels(6, number, GetParam());
    test::Draw draw(7, number);
    one.spec.gate = draw.below(3) > 0;
    one.spec.activation = test::one_of<Activation>(draw, {Activation::melu, Activation::silu});
    one.spec.norm = test::one_of<Norm>(draw, {Norm::rms, Norm::layer});
    one.spec.active = test::one_of<double>(draw, {1.0, 0.6});
    test::check_stack<double>(one, test::small_real, 1e-11);
  }
}

// A gate multiplies what grew along a chain of maps: one block of it stays below 2^53.
TEST_P(StackChannels, DenseEqualsOneRankInWholeNumbers) {
  for (std::uint64_t number = 0; number < 40; ++number) {
    StackCase one = test::draw_dense_stack(8, number, GetParam().first, GetParam().second);
    if (one.spec.gate) one.spec.blocks = 1;
    test::check_stack<double>(one, test::one_or_two, 0);
  }
}

TEST_P(StackChannels, DenseEqualsOneRankUpToTheOrderOfSums) {
  for (std::uint64_t number = 0; number < 25; ++number) {
    StackCase one = test::draw_dense_stack(9, number, GetParam().first, GetParam().second);
    test::Draw draw(10, number);
    one.spec.activation = test::one_of<Activation>(draw, {Activation::melu, Activation::silu});
    one.spec.norm = test::one_of<Norm>(draw, {Norm::rms, Norm::layer});
    test::check_stack<double>(one, test::small_real, 1e-11);
  }
}

INSTANTIATE_TEST_SUITE_P(RanksAndChannels, StackChannels,
                         testing::Values(std::pair(1, 2), std::pair(1, 3), std::pair(2, 2),
                                         std::pair(2, 3), std::pair(3, 2), std::pair(4, 2)),
                         [](const auto& one) {
                           return text(one.param.first, "x", one.param.second);
                         });

// By hand, in float: one, two and three token axes cut, with the batch and without.
TEST(StackShard, CutsOfSeveralAxes) {
  const std::vector<StackCase> cases = {
      {test::small_spec({5}), 3, {3, {}}, {}},
      {test::small_spec({4, 3, 2}), 1, {1, {2}}, {}},
      {test::small_spec({4, 3, 2}), 1, {1, {1, 3}}, {}},
      {test::small_spec({3, 4, 5}), 1, {1, {2, 2}}, {}},
      {test::small_spec({5, 3, 4}), 1, {1, {2, 1, 3}}, {}},
      {test::small_spec({4, 4, 4}), 1, {1, {2, 2, 2}}, {}},
      {test::small_spec({4, 5, 3}), 2, {2, {2, 2}}, {}},
      {test::small_spec({4, 3, 2}), 1, {1, {}, 2}, {}},
      {test::small_spec({4, 3, 2}), 1, {1, {2, 1, 2}, 3}, {}},
      {test::small_spec({4, 5, 3}), 2, {2, {2}, 2}, {}},
  };
  for (StackCase one : cases) {
    one.spec.blocks = 1;
    for (const Wiring wiring : {Wiring::causal, Wiring::grid, Wiring::grid_causal})
      for (const Combine combine : {Combine::sequential, Combine::parallel}) {
        one.spec.wiring = wiring;
        one.spec.combine = combine;
        test::check_stack<float>(one, test::whole_numbers(), 0);
      }
  }
}

// So many windows that the gathers of a cut of the channels are long: four runs of the outermost axis
// each, of 2, 1, 1 and 1 of its 5 tokens, where no rows are missing; else one.
TEST(StackShard, LongGathersTravelInRuns) {
  const std::vector<std::pair<StackCase, size_t>> cases = {
      {{test::small_spec({5, 3, 2}), 1200, {1, {}, 2}, {}}, 4},
      {{test::small_spec({5, 3, 2}), 1200, {2, {}, 2}, {}}, 2},
      {{test::small_spec({5, 3, 2}), 2400, {1, {1, 3}, 2}, {}}, 1},
  };
  for (auto [one, runs] : cases) {
    one.spec.blocks = 1;
    const auto moves = [&, one = one](std::int64_t windows) {
      StackCase other = one;
      other.windows = windows;
      return test::StackKit<double>(other, 0, nullptr, true).moves.all().size();
    };
    if (runs > 1) {
      EXPECT_EQ(moves(one.windows), runs * moves(8)) << test::case_text(one);
    }
    for (const Wiring wiring : {Wiring::causal, Wiring::grid}) {
      one.spec.wiring = wiring;
      test::check_stack<double>(one, test::whole_numbers(), 0);
    }
  }
}

TEST(StackShard, ATokenAloneIsCutByTheBatchAndTheChannels) {
  for (const Cuts& cuts : {Cuts{3, {}}, Cuts{1, {}, 2}, Cuts{2, {}, 3}})
    test::check_stack<double>({test::small_spec({}), 5, cuts, {}}, test::whole_numbers(), 0);
}

// Tokens after t are not numbers: whatever multiplies them, even by zero, shows.
TEST(StackShard, NoOutputSeesALaterToken) {
  for (const Combine combine : {Combine::sequential, Combine::parallel})
    for (const Cuts& cuts : {Cuts{1, {2}}, Cuts{1, {1, 2}}, Cuts{1, {2, 1, 2}}, Cuts{1, {2, 2}}}) {
      StackCase one = {test::small_spec({4, 3, 2}), 1, cuts, {}};
      one.spec.combine = combine;
      StackCase single = one;
      single.cuts = Cuts{};
      test::StackKit<double> kit(single, 0, nullptr);
      const Shape shape = kit.sharding.nodes(4).shape;
      const auto x = test::whole_array<double>(shape, "x", test::whole_numbers());
      const auto truth = test::run_stack(kit, test::whole_numbers(), x, x).y;
      run_local_ranks(mesh_of(cuts).ranks(), [&](Channel& world) {
        test::StackKit<double> ranks(one, world.rank(), &world);
        const Box box = ranks.sharding.box(ranks.sharding.home(), 4);
        for (std::int64_t t = 0; t < 24; ++t) {
          auto later = x, seen = truth;
          std::fill(later.begin() + (t + 1) * 4, later.end(), std::nan(""));
          const auto y = test::run_stack(ranks, test::whole_numbers(), later, x).y;
          std::fill(seen.begin() + (t + 1) * 4, seen.end(), -1);  // not compared
          const auto own = test::part_of(shape, box, seen);
          for (size_t i = 0; i < y.size(); ++i) {
            if (own[i] < 0) continue;
            ASSERT_EQ(y[i], own[i]) << test::case_text(one) << ", after " << t;
          }
        }
      });
    }
}

// The planner builds the model on a measuring arena: the bytes are those of the real one.
TEST(StackShard, AMeasuringArenaCountsTheSameBytes) {
  for (std::uint64_t number = 0; number < 40; ++number) {
    const int channels = number < 20 ? 1 : 2;
    const StackCase one = test::draw_stack(4, number, 4 / channels, channels);
    run_local_ranks(4, [&](Channel& world) {
      test::StackKit<float> real(one, world.rank(), &world);
      test::StackKit<float> measured(one, world.rank(), nullptr, true);
      EXPECT_EQ(real.arena.bytes(), measured.arena.bytes()) << test::case_text(one);
      ASSERT_EQ(real.moves.all().size(), measured.moves.all().size());
      for (size_t i = 0; i < real.moves.all().size(); ++i)
        EXPECT_EQ(real.moves.all()[i]->plan().hash, measured.moves.all()[i]->plan().hash);
    });
  }
}

// A mesh that needs nothing costs nothing: no moves, and with the batch cut the bytes of a model of
// so many windows.
TEST(StackShard, ACutBatchMovesNothing) {
  const StackCase whole = {test::small_spec({4, 3, 2}), 2, {}, {}};
  const StackCase cut = {test::small_spec({4, 3, 2}), 6, {3, {}}, {}};
  test::StackKit<float> one(whole, 0, nullptr);
  test::StackKit<float> many(cut, 1, nullptr, true);
  EXPECT_TRUE(one.moves.all().empty());
  EXPECT_TRUE(many.moves.all().empty());
  EXPECT_EQ(one.arena.bytes(), many.arena.bytes());
}

}  // namespace
}  // namespace ortho
