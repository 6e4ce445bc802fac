#include "trainer/sums.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "comm/local.h"
#include "core/random.h"
#include "tests/support/errors.h"
#include "trainer/fixed_order.h"

namespace ortho {
namespace {

std::vector<float> numbers(std::int64_t count, double scale) {
  const Random random(3, "norm");
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) {
    const double spread = std::pow(10.0, static_cast<double>(i % 12) - 6);
    values.push_back(
        static_cast<float>(scale * spread * random.normal(static_cast<std::uint64_t>(i))));
  }
  return values;
}

// The norm of `values` cut over ranks, the same on all.
double norm_of(const std::vector<float>& values, int ranks) {
  double norm = 0;
  run_local_ranks(ranks, [&](Channel& world) {
    const Range part = split(static_cast<std::int64_t>(values.size()), ranks, world.rank());
    const std::span<const float> mine =
        std::span(values).subspan(static_cast<size_t>(part.lo), static_cast<size_t>(part.size()));
    const size_t half = mine.size() / 2;
    const std::vector<std::span<const float>> lists = {mine.first(half), mine.subspan(half)};
    const double result = exact_norm(world, lists);
    if (world.rank() == 0) norm = result;
  });
  return norm;
}

TEST(Sums, ExactNormIsTheSameForAnyCut) {
  for (const double scale : {1e-30, 1.0, 1e25}) {
    const std::vector<float> values = numbers(5001, scale);
    double squares = 0;
    for (const float value : values) squares += static_cast<double>(value) * value;
    const double expected = std::sqrt(squares);
    const double one = norm_of(values, 1);
    EXPECT_NEAR(one / expected, 1, 1e-12);  // 5001 roundings of 2^-62 of the largest
    for (const int ranks : {2, 3, 7}) EXPECT_EQ(norm_of(values, ranks), one) << ranks;
  }
}

TEST(Sums, ExactNormOfNothingAndOfWhatIsNotFinite) {
  EXPECT_EQ(norm_of({0, 0, 0}, 2), 0);
  EXPECT_TRUE(std::isnan(norm_of({1, std::numeric_limits<float>::infinity(), 2}, 3)));
  EXPECT_TRUE(std::isnan(norm_of({1, 2, std::nanf("")}, 2)));
}

TEST(FixedOrder, TreeOfEightIsBalanced) {
  // 1 + tiny rounds away, tiny + tiny does not: only a balanced tree gives this sum.
  const float tiny = std::ldexp(1.0f, -24);
  const std::vector<float> leaves = {1, tiny, tiny, tiny, tiny, tiny, tiny, tiny};
  TreeSum<float> tree(1, 8);
  for (int round = 0; round < 2; ++round) {
    float last = 0;
    tree.restart();
    for (const float leaf : leaves) {
      last = leaf;
      tree.add(std::span<float>(&last, 1));
    }
    EXPECT_EQ(last, ((leaves[0] + leaves[1]) + (leaves[2] + leaves[3])) +
                        ((leaves[4] + leaves[5]) + (leaves[6] + leaves[7])));
  }
}

TEST(FixedOrder, RefusesWhatItCannotKeep) {
  expect_in("4 ranks are 2 along the batch",
            message_of([] { check_fixed_order(16, 4, 2); }, ErrorKind::usage));
  expect_in("not on 3", message_of([] { check_fixed_order(24, 3, 3); }, ErrorKind::usage));
  expect_in("here are 12. The next is 16",
            message_of([] { check_fixed_order(12, 2, 2); }, ErrorKind::usage));
  check_fixed_order(16, 2, 2);
}

}  // namespace
}  // namespace ortho
