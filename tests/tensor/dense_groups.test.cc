// Dense maps with windows, without the diagonal, and in groups of channels.
#include <gtest/gtest.h>

#include <limits>

#include "tests/support/dense_kit.h"

namespace ortho {
namespace {

TEST(Dense, ASlidingWindowEqualsItsDefinition) {
  for (const Shape& tokens : {Shape{9, 5}, Shape{2, 11, 3}, Shape{1, 4}})
    for (const std::int64_t batch : {3, 16})
      for (DenseMap map : every_map(tokens, 3, batch)) {
        if (map.on_channels()) continue;
        for (const std::int64_t radius : {1, 2, 4, 30}) {
          map.radius = radius;
          expect_exact<float>(map);
        }
      }
}

TEST(Dense, ANodeThatDoesNotHearItselfEqualsItsDefinition) {
  for (const Shape& tokens : {Shape{9, 5}, Shape{2, 11, 3}, Shape{1, 4}})
    for (DenseMap map : every_map(tokens, 3, 7)) {
      if (map.on_channels()) continue;
      map.self = false;
      for (const std::int64_t radius : {0, 1, 3}) {
        map.radius = radius;
        expect_exact<float>(map);
      }
    }
}

TEST(Dense, GroupsOfChannelsEqualTheirDefinition) {
  for (const Shape& tokens : {Shape{3, 5}, Shape{2, 3, 4}, Shape{}})
    for (const bool halves : {false, true})
      for (const std::int64_t groups : {1, 2, 3})
        for (const std::int64_t batch : {1, 9})
          for (DenseMap map : every_map(tokens, 12, batch)) {
            map.groups = groups;
            map.in_halves = map.out_halves = halves;
            for (const std::int64_t radius : {0, 1}) {
              map.radius = map.on_channels() ? 0 : radius;
              expect_exact<float>(map);
            }
          }
}

TEST(Dense, GroupsAlongTheChannelsTakeAnotherSize) {
  for (DenseMap map : every_map({2, 3}, 12, 5)) {
    if (!map.on_channels()) continue;
    map.groups = 3;
    for (const bool in_halves : {false, true})
      for (const bool out_halves : {false, true}) {
        map.in_halves = in_halves;
        map.out_halves = out_halves;
        map.out = 18;
        expect_exact<float>(map);
      }
  }
}

TEST(Dense, WeightsOutsideAreNeitherReadNorGivenAGradient) {
  for (const Order order : kOrders)
    for (const std::int64_t radius : {0, 1})
      for (const bool self : {true, false}) {
        DenseMap map = make({5}, 2, 3, 0, {Wiring::grid, Weights::shared}, order);
        map.radius = radius;
        map.self = self;
        const Case<float> c(map);
        std::vector<float> w = c.w, y(c.y.size()), dx(c.dx.size()), dw(w.size(), 0.0f);
        const auto is_used = [&](size_t k, size_t j) {
          const size_t d = k > j ? k - j : j - k;
          return (radius == 0 || d <= 1) && (self || d > 0);
        };
        for (size_t i = 0; i < w.size(); ++i)
          if (!is_used(i / 5, i % 5)) w[i] = std::numeric_limits<float>::quiet_NaN();
        cpu_dense(map, c.x.data(), w.data(), y.data(), false);
        cpu_dense_dx(map, c.dy.data(), w.data(), dx.data(), false);
        cpu_dense_dw(map, c.x.data(), c.dy.data(), dw.data());
        EXPECT_EQ(y, c.y) << describe(map);
        EXPECT_EQ(dx, c.dx) << describe(map);
        for (size_t i = 0; i < w.size(); ++i)
          EXPECT_TRUE(is_used(i / 5, i % 5) || dw[i] == 0.0f) << describe(map);
      }
}

}  // namespace
}  // namespace ortho
