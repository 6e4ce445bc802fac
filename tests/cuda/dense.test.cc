// The GPU's dense maps against their definition. Whole numbers: every order of adding is exact.
#include <gtest/gtest.h>

#include <limits>

#include "tests/support/cuda_kit.h"
#include "tests/support/dense_kit.h"

namespace ortho {
namespace {

using test::CudaKit;

// Each result once overwritten and once added to what is there.
void expect_exact(CudaKit& gpu, const DenseMap& map) {
  SCOPED_TRACE(describe(map));
  const Case<float> c(map);
  auto x = gpu.on(c.x), w = gpu.on(c.w), dy = gpu.on(c.dy), y = gpu.on(c.dy), dx = gpu.on(c.x),
       dw = gpu.on(std::vector<float>(c.dw.size(), 5));
  for (const bool add : {false, true}) {
    gpu->dense(map, x, w, y, add);
    gpu->dense_dx(map, dy, w, dx, add);
  }
  gpu->dense_dw(map, x, dy, dw);
  const auto got_y = y.values(), got_dx = dx.values(), got_dw = dw.values();
  for (size_t i = 0; i < got_y.size(); ++i) ASSERT_EQ(got_y[i], 2 * c.y[i]) << "y " << i;
  for (size_t i = 0; i < got_dx.size(); ++i) ASSERT_EQ(got_dx[i], 2 * c.dx[i]) << "dx " << i;
  for (size_t i = 0; i < got_dw.size(); ++i) ASSERT_EQ(got_dw[i], c.dw[i] + 5) << "dw " << i;
}

TEST(CudaDense, EqualsItsDefinition) {
  CudaKit gpu;
  // With and without four neighbouring windows, and four neighbouring weights.
  for (const DenseMap& map : every_map({2, 3, 2}, 5, 3)) expect_exact(gpu, map);
  for (const DenseMap& map : every_map({4, 8}, 4, 4)) expect_exact(gpu, map);
}

TEST(CudaDense, AnyOrderOfThreadsAndStreams) {
  for (const std::uint64_t seed : {2, 3, 4}) {
    CudaKit gpu(seed);
    for (const DenseMap& map : every_map({6}, 4, 4)) expect_exact(gpu, map);
  }
}

// More than a tile of outputs and inputs, tiles with a rest.
TEST(CudaDense, LongAxes) {
  CudaKit gpu;
  for (const DenseMap& map : every_map({19}, 3, 5)) expect_exact(gpu, map);
  for (const DenseMap& map : every_map({2, 36}, 1, 12)) expect_exact(gpu, map);
  for (const DenseMap& map : every_map({3}, 33, 4)) expect_exact(gpu, map);
  for (const DenseMap& map : every_map({70}, 2, 4)) expect_exact(gpu, map);  // cuBLAS too
}

TEST(CudaDense, OneTokenAndOneWindow) {
  CudaKit gpu;
  for (const DenseMap& map : every_map({}, 6, 4)) expect_exact(gpu, map);
  for (const DenseMap& map : every_map({1, 1}, 1, 1)) expect_exact(gpu, map);
}

TEST(CudaDense, AxesOfSizeTwo) {
  CudaKit gpu;
  for (const DenseMap& map : every_map({2, 2, 2}, 2, 4)) expect_exact(gpu, map);
}

TEST(CudaDense, AxisTakesAnotherSize) {
  CudaKit gpu;
  for (DenseMap map : every_map({4}, 5, 4)) {
    if (map.effective_wiring() != Wiring::grid) continue;
    for (const std::int64_t out : {1, 2, 9, 20}) {
      map.out = out;
      expect_exact(gpu, map);
    }
  }
}

TEST(CudaDense, WindowsAndNodesThatDoNotHearThemselves) {
  CudaKit gpu;
  for (const Shape& tokens : {Shape{9}, Shape{2, 21}})
    for (DenseMap map : every_map(tokens, 2, 4)) {
      if (map.on_channels()) continue;
      for (const std::int64_t radius : {0, 1, 3}) {
        map.radius = radius;
        map.self = radius == 1;
        expect_exact(gpu, map);
      }
    }
}

TEST(CudaDense, GroupsOfChannels) {
  CudaKit gpu;
  for (const bool halves : {false, true})
    for (const std::int64_t groups : {1, 3})
      for (const std::int64_t batch : {1, 4})
        for (DenseMap map : every_map({3}, 12, batch)) {
          map.groups = groups;
          map.in_halves = map.out_halves = halves;
          expect_exact(gpu, map);
        }
}

TEST(CudaDense, GroupsAlongTheChannelsTakeAnotherSize) {
  CudaKit gpu;
  for (DenseMap map : every_map({2}, 12, 4)) {
    if (!map.on_channels()) continue;
    map.groups = 3;
    for (const bool in_halves : {false, true})
      for (const bool out_halves : {false, true}) {
        map.in_halves = in_halves;
        map.out_halves = out_halves;
        map.out = 18;
        expect_exact(gpu, map);
      }
  }
}

// Not a number spreads through any product, also one with a weight of zero.
TEST(CudaDense, CausalNeverReadsALaterToken) {
  CudaKit gpu;
  const Shape tokens = {3, 2, 4};
  for (int axis = 0; axis < 3; ++axis)
    for (const Wired& wired : kWired) {
      if (wired.wiring == Wiring::grid) continue;
      const DenseMap map = make(tokens, 2, 4, axis, wired, Order::batch_inner);
      SCOPED_TRACE(describe(map));
      const Nodes nodes = input_nodes(map);
      const auto row = static_cast<size_t>(nodes.elements() / nodes.tokens);
      auto w = gpu.on(normal_numbers<float>(elements(weight_shape(map)), 2));
      auto values = normal_numbers<float>(nodes.elements(), 1);
      auto x = gpu.on(values), y = gpu.on(values);
      gpu->dense(map, x, w, y, false);
      const auto clean = y.values();
      for (size_t t = static_cast<size_t>(nodes.tokens) - 1; t > 0; t -= 5) {
        std::fill(values.begin() + static_cast<std::ptrdiff_t>(t * row), values.end(),
                  std::numeric_limits<float>::quiet_NaN());
        auto poisoned = gpu.on(values);
        gpu->dense(map, poisoned, w, y, false);
        const auto got = y.values();
        for (size_t i = 0; i < t * row; ++i) ASSERT_EQ(got[i], clean[i]);
        ASSERT_TRUE(std::isnan(got[t * row]));
        if (t < 5) break;
      }
    }
}

TEST(CudaDense, WeightsOutsideAreNeitherReadNorGivenAGradient) {
  CudaKit gpu;
  for (const Order order : kOrders)
    for (const std::int64_t radius : {0, 1}) {
      DenseMap map = make({5}, 2, 4, 0, {Wiring::grid, Weights::shared}, order);
      map.radius = radius;
      map.self = false;
      const Case<float> c(map);
      const auto is_used = [&](size_t k, size_t j) {
        const size_t d = k > j ? k - j : j - k;
        return (radius == 0 || d <= 1) && d > 0;
      };
      std::vector<float> weights = c.w;
      for (size_t i = 0; i < weights.size(); ++i)
        if (!is_used(i / 5, i % 5)) weights[i] = std::numeric_limits<float>::quiet_NaN();
      auto x = gpu.on(c.x), w = gpu.on(weights), dy = gpu.on(c.dy), y = gpu.on(c.y),
           dx = gpu.on(c.dx), dw = gpu.on(std::vector<float>(weights.size(), 0));
      gpu->dense(map, x, w, y, false);
      gpu->dense_dx(map, dy, w, dx, false);
      gpu->dense_dw(map, x, dy, dw);
      EXPECT_EQ(y.values(), c.y) << describe(map);
      EXPECT_EQ(dx.values(), c.dx) << describe(map);
      const auto got = dw.values();
      for (size_t i = 0; i < got.size(); ++i)
        EXPECT_TRUE(is_used(i / 5, i % 5) || got[i] == 0.0f) << describe(map);
    }
}

// The same sums in the same order as the whole map: the same bits.
TEST(CudaDense, TokenByTokenEqualsTheWholeMap) {
  CudaKit gpu;
  for (const Weights weights :
       {Weights::shared, Weights::separate, Weights::by_position, Weights::per_channel})
    for (const Order order : kOrders)
      for (const std::int64_t groups : {0, 2})
        for (int axis = 0; axis < 3; ++axis) {
          DenseMap map = make({2, 4, 3}, 4, 4, axis, {Wiring::causal, weights}, order);
          map.groups = groups;
          const Nodes nodes = input_nodes(map);
          const std::int64_t row = nodes.batch * nodes.channels;
          auto x = gpu.on(normal_numbers<float>(nodes.elements(), 1)),
               w = gpu.on(normal_numbers<float>(elements(weight_shape(map)), 2));
          const auto before = normal_numbers<float>(nodes.elements(), 3);
          auto whole = gpu.on(before), tokens = gpu.on(before);
          gpu->dense(map, x, w, whole, true);
          const std::int64_t stride = strides(map.tokens)[static_cast<size_t>(map.axis)];
          for (std::int64_t t = 0; t < nodes.tokens; ++t) {
            std::vector<const float*> inputs;
            for (std::int64_t d = 0; d < map.size() && t >= d * stride; ++d)
              inputs.push_back(x.data() + (t - d * stride) * row);
            gpu->dense_token(map, t, inputs, w, tokens.data() + t * row, true);
          }
          EXPECT_EQ(whole.values(), tokens.values()) << describe(map);
        }
}

}  // namespace
}  // namespace ortho
