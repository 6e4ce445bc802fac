#include "tensor/cpu/dense.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "tests/support/dense_kit.h"
#include "tests/support/errors.h"

namespace ortho {
namespace {

TEST(Dense, EqualsItsDefinition) {
  // Batches with every kind of remainder: below, at and between the vector widths.
  for (const std::int64_t batch : {1, 2, 7, 12, 16, 45}) {
    for (const DenseMap& map : every_map({2, 3, 5}, 7, batch)) expect_exact<float>(map);
    for (const DenseMap& map : every_map({3, 2}, 5, batch)) expect_exact<double>(map);
  }
}

TEST(Dense, EqualsItsDefinitionOnLongAxes) {
  for (const DenseMap& map : every_map({19, 11}, 3, 5)) expect_exact<float>(map);
  for (const DenseMap& map : every_map({3, 13}, 33, 9)) expect_exact<float>(map);
  for (const DenseMap& map : every_map({70}, 2, 70)) expect_exact<float>(map);
  for (const DenseMap& map : every_map({70}, 1, 3)) expect_exact<double>(map);
}

TEST(Dense, EqualsItsDefinitionOnOneTokenAndOneWindow) {
  for (const DenseMap& map : every_map({}, 6, 4)) expect_exact<float>(map);
  for (const DenseMap& map : every_map({1, 1}, 1, 1)) expect_exact<float>(map);
}

TEST(Dense, AxisTakesAnotherSize) {
  for (DenseMap map : every_map({2, 3, 4}, 5, 6)) {
    if (map.effective_wiring() != Wiring::grid) continue;
    for (const std::int64_t out : {1, 2, 9}) {
      map.out = out;
      expect_exact<float>(map);
    }
  }
}

TEST(Dense, AdjointHoldsExactly) {
  for (const DenseMap& map : every_map({3, 2, 4}, 5, 6)) {
    SCOPED_TRACE(describe(map));
    const Case<float> c(map);
    std::vector<float> y(c.y.size()), dx(c.dx.size()), dw(c.dw.size());
    cpu_dense(map, c.x.data(), c.w.data(), y.data(), false);
    cpu_dense_dx(map, c.dy.data(), c.w.data(), dx.data(), false);
    cpu_dense_dw(map, c.x.data(), c.dy.data(), dw.data());
    const auto inner = [](const std::vector<float>& a, const std::vector<float>& b) {
      double sum = 0;
      for (size_t i = 0; i < a.size(); ++i) sum += double(a[i]) * double(b[i]);
      return sum;
    };
    // <W x, dy> = <x, W* dy> = <w, dw>
    EXPECT_EQ(inner(y, c.dy), inner(c.x, dx));
    EXPECT_EQ(inner(y, c.dy), inner(c.w, dw));
    EXPECT_NE(inner(y, c.dy), 0);
  }
}

// x in the one order as the other order has it.
template <class T>
std::vector<T> reordered(const Nodes& from, Order order, const std::vector<T>& x) {
  Nodes to = from;
  to.order = order;
  std::vector<T> result(x.size());
  for (std::int64_t node = 0; node < from.tokens * from.channels; ++node)
    for (std::int64_t b = 0; b < from.batch; ++b)
      result[place(to, node, b)] = x[place(from, node, b)];
  return result;
}

TEST(Dense, BothOrdersGiveTheSameBits) {
  for (const DenseMap& map : every_map({6, 5}, 19, 21)) {
    if (map.order != Order::batch_inner) continue;
    SCOPED_TRACE(describe(map));
    DenseMap other = map;
    other.order = Order::channels_inner;
    const Nodes in = input_nodes(map), out = output_nodes(map);
    const auto x = normal_numbers<float>(in.elements(), 1);
    const auto w = normal_numbers<float>(elements(weight_shape(map)), 2);
    const auto dy = normal_numbers<float>(out.elements(), 3);
    std::vector<float> y(dy.size()), y2(dy.size()), dx(x.size()), dx2(x.size());
    cpu_dense(map, x.data(), w.data(), y.data(), false);
    cpu_dense(other, reordered(in, other.order, x).data(), w.data(), y2.data(), false);
    EXPECT_EQ(reordered(out, other.order, y), y2);
    cpu_dense_dx(map, dy.data(), w.data(), dx.data(), false);
    cpu_dense_dx(other, reordered(out, other.order, dy).data(), w.data(), dx2.data(), false);
    const auto expected = reordered(in, other.order, dx);
    // Along the channels, innermost, dx sums the lanes of a vector apart: another order of 19 terms
    // of size 1, each rounded to 2^-24.
    const bool apart = map.axis == 2;
    for (size_t i = 0; i < dx.size(); ++i) EXPECT_NEAR(expected[i], dx2[i], apart ? 1e-5 : 0);
    std::vector<float> dw(w.size()), dw2(w.size());
    cpu_dense_dw(map, x.data(), dy.data(), dw.data());
    cpu_dense_dw(other, reordered(in, other.order, x).data(),
                 reordered(out, other.order, dy).data(), dw2.data());
    // Sums over up to 6 * 19 * 21 products of size 1 in another
    // order: 2394 * 2^-24 if all errors had one sign.
    for (size_t i = 0; i < dw.size(); ++i) EXPECT_NEAR(dw[i], dw2[i], 2e-4);
  }
}

TEST(Dense, ThreadsDoNotChangeABit) {
  const int threads_before = omp_get_max_threads();
  for (const DenseMap& map : every_map({12, 9}, 20, 33)) {
    SCOPED_TRACE(describe(map));
    const Nodes in = input_nodes(map), out = output_nodes(map);
    const auto x = normal_numbers<float>(in.elements(), 1);
    const auto w = normal_numbers<float>(elements(weight_shape(map)), 2);
    const auto dy = normal_numbers<float>(out.elements(), 3);
    std::vector<std::vector<float>> results;
    for (const int threads : {1, 2, 3}) {
      omp_set_num_threads(threads);
      std::vector<float> y(dy.size()), dx(x.size()), dw(w.size());
      cpu_dense(map, x.data(), w.data(), y.data(), false);
      cpu_dense_dx(map, dy.data(), w.data(), dx.data(), false);
      cpu_dense_dw(map, x.data(), dy.data(), dw.data());
      y.insert(y.end(), dx.begin(), dx.end());
      y.insert(y.end(), dw.begin(), dw.end());
      results.push_back(y);
    }
    EXPECT_EQ(results[0], results[1]);
    EXPECT_EQ(results[0], results[2]);
  }
  omp_set_num_threads(threads_before);
}

TEST(Dense, CausalNeverReadsALaterToken) {
  const Shape tokens = {3, 2, 4};
  for (int axis = 0; axis < 3; ++axis)
    for (const Wired& wired : kWired) {
      if (wired.wiring == Wiring::grid) continue;
      for (const Order order : kOrders) {
        const DenseMap map = make(tokens, 5, 3, axis, wired, order);
        SCOPED_TRACE(describe(map));
        const Nodes nodes = input_nodes(map);
        const std::int64_t row = nodes.elements() / nodes.tokens;
        const auto w = normal_numbers<float>(elements(weight_shape(map)), 2);
        auto x = normal_numbers<float>(nodes.elements(), 1);
        std::vector<float> y(x.size()), poisoned(x.size());
        cpu_dense(map, x.data(), w.data(), y.data(), false);
        // Not a number spreads through any product, also one with a weight of zero.
        for (std::int64_t t = nodes.tokens - 1; t > 0; --t) {
          for (std::int64_t i = 0; i < row; ++i)
            x[static_cast<size_t>(t * row + i)] = std::numeric_limits<float>::quiet_NaN();
          cpu_dense(map, x.data(), w.data(), poisoned.data(), false);
          for (size_t i = 0; i < static_cast<size_t>(t * row); ++i) ASSERT_EQ(y[i], poisoned[i]);
          ASSERT_TRUE(std::isnan(poisoned[static_cast<size_t>(t * row)]));
        }
      }
    }
}

// Column u of the result: what a one at token u leaves at every token after the maps of all axes.
std::vector<float> coverage(const Shape& tokens, Wiring wiring) {
  const std::int64_t count = elements(tokens);
  // Window u holds a one at token u; C = 1, so both axes of the result lie side by side.
  std::vector<float> x(static_cast<size_t>(count * count)), y = x;
  for (std::int64_t t = 0; t < count; ++t) x[static_cast<size_t>(t * count + t)] = 1;
  for (int axis = static_cast<int>(tokens.size()); axis-- > 0;) {
    const DenseMap map =
        make(tokens, 1, count, axis, {wiring, Weights::shared}, Order::batch_inner);
    const std::vector<float> ones(static_cast<size_t>(elements(weight_shape(map))), 1.0f);
    cpu_dense(map, x.data(), ones.data(), y.data(), false);
    std::swap(x, y);
  }
  return x;
}

TEST(Dense, ChainedCausalTapsReachEveryEarlierTokenByOnePath) {
  for (const Shape& tokens :
       {Shape{2, 2, 2, 2, 2, 2}, Shape{4, 4, 4}, Shape{3, 5}, Shape{2, 3, 4}}) {
    const std::int64_t count = elements(tokens);
    const std::vector<float> reach = coverage(tokens, Wiring::causal);
    for (std::int64_t t = 0; t < count; ++t)
      for (std::int64_t u = 0; u < count; ++u)
        ASSERT_EQ(reach[static_cast<size_t>(t * count + u)], u <= t ? 1.0f : 0.0f)
            << shape_text(tokens) << " from " << u << " to " << t;
  }
}

TEST(Dense, ChainedGridCausalReachesTheProductOfTriangles) {
  for (const Shape& tokens :
       {Shape{2, 2, 2, 2, 2, 2}, Shape{4, 4, 4}, Shape{3, 5}, Shape{2, 3, 4}}) {
    std::int64_t expected = 1, ones = 0;
    for (const std::int64_t s : tokens) expected *= s * (s + 1) / 2;
    for (const float value : coverage(tokens, Wiring::grid_causal)) {
      ASSERT_TRUE(value == 0.0f || value == 1.0f) << value;
      ones += value == 1.0f;
    }
    EXPECT_EQ(ones, expected) << shape_text(tokens);
  }
}

TEST(Dense, MaskedWeightsAreNeitherReadNorGivenAGradient) {
  const DenseMap map =
      make({4}, 2, 3, 0, {Wiring::grid_causal, Weights::shared}, Order::batch_inner);
  Case<float> c(map);
  std::vector<float> w = c.w, y(c.y.size()), dx(c.dx.size()), dw(w.size(), 0.0f);
  for (size_t k = 0; k < 4; ++k)
    for (size_t j = 0; j < k; ++j) w[k * 4 + j] = std::numeric_limits<float>::quiet_NaN();
  cpu_dense(map, c.x.data(), w.data(), y.data(), false);
  cpu_dense_dx(map, c.dy.data(), w.data(), dx.data(), false);
  cpu_dense_dw(map, c.x.data(), c.dy.data(), dw.data());
  EXPECT_EQ(y, c.y);
  EXPECT_EQ(dx, c.dx);
  for (size_t k = 0; k < 4; ++k)
    for (size_t j = 0; j < k; ++j) EXPECT_EQ(dw[k * 4 + j], 0.0f);
}

TEST(Dense, SixteenAxesOfTwo) {
  const Shape tokens(16, 2);
  for (const int axis : {0, 7, 15}) {
    const DenseMap map =
        make(tokens, 3, 2, axis, {Wiring::causal, Weights::separate}, Order::batch_inner);
    expect_exact<float>(map);
  }
}

// The message of the error that `act` must end with.
std::string usage_error(const auto& act) { return message_of(act, ErrorKind::usage); }

void expect_refused(const DenseMap& map, const std::string& words) {
  for (const std::string& message :
       {usage_error([&] { weight_shape(map); }), usage_error([&] { output_nodes(map); }),
        usage_error([&] { cpu_dense<float>(map, nullptr, nullptr, nullptr, false); })})
    EXPECT_NE(message.find(words), std::string::npos) << message;
}

TEST(Dense, RefusesWhatMakesNoMap) {
  const DenseMap good =
      make({2, 3}, 4, 5, 1, {Wiring::causal, Weights::shared}, Order::batch_inner);
  DenseMap map = good;
  map.out = 4;
  expect_refused(map, "axis 1: output size 4 is not 3");
  map.wiring = Wiring::grid_causal;
  expect_refused(map, "grid_causal wiring keeps the size");
  map = good;
  map.weights = Weights::by_position;
  map.wiring = Wiring::grid;
  expect_refused(map, "axis 1 is wired as a grid");
  map.wiring = Wiring::causal;
  map.axis = 2;
  map.out = 4;
  expect_refused(map, "axis 2 is the channel axis");
  map.weights = Weights::per_channel;
  expect_refused(map, "weights: per_channel is for token axes");
  map = good;
  map.groups = 3;
  expect_refused(map, "3 groups do not divide 4 channels");
  map = make({2, 3}, 4, 5, 2, {Wiring::grid, Weights::shared}, Order::batch_inner);
  map.groups = 2;
  map.out = 3;
  expect_refused(map, "2 groups do not divide 3 channels of the output");
  map.groups = 0;
  map.radius = 1;
  expect_refused(map, "radius 1 of axis 2: 0 or more, and only of a token axis");
  map = make({2, 3}, 4, 5, 1, {Wiring::grid, Weights::shared}, Order::batch_inner);
  map.out = 4;
  map.self = false;
  expect_refused(map, "needs as many outputs on axis 1 as its size 3; here 4");
  map = good;
  map.axis = 3;
  expect_refused(map, "axis 3 of a grid with token axes [2, 3]");
  map.axis = -1;
  expect_refused(map, "axis -1");
  map = good;
  map.tokens = {2, 0};
  expect_refused(map, "[2, 0]: every axis needs at least one token");
  map = good;
  map.batch = 0;
  expect_refused(map, "batch 0");
  map = good;
  map.channels = -4;
  expect_refused(map, "channels -4");
}

TEST(Dense, RefusesSizesThatOverflow) {
  const std::int64_t huge = std::int64_t{1} << 31;
  DenseMap map = make({huge, huge}, 2, 1, 0, {Wiring::grid, Weights::separate}, Order::batch_inner);
  EXPECT_NE(usage_error([&] { weight_shape(map); }).find("size overflow"), std::string::npos);
  EXPECT_NE(usage_error([&] { input_nodes(map); }).find("size overflow"), std::string::npos);
  map = make({huge}, huge, 2, 0, {Wiring::causal, Weights::shared}, Order::batch_inner);
  EXPECT_EQ(weight_shape(map), Shape{huge});
  EXPECT_NE(usage_error([&] { input_nodes(map); }).find("size overflow"), std::string::npos);
}

TEST(Dense, WeightShapes) {
  const auto shape = [](int axis, Wired wired, std::int64_t out = 0) {
    DenseMap map = make({2, 3}, 4, 5, axis, wired, Order::batch_inner);
    if (out > 0) map.out = out;
    return weight_shape(map);
  };
  EXPECT_EQ(shape(1, {Wiring::grid, Weights::separate}, 7), (Shape{2, 3, 4, 7}));
  EXPECT_EQ(shape(1, {Wiring::grid, Weights::shared}, 7), (Shape{3, 7}));
  EXPECT_EQ(shape(0, {Wiring::causal, Weights::separate}), (Shape{2, 3, 4, 2}));
  EXPECT_EQ(shape(1, {Wiring::causal, Weights::shared}), (Shape{3}));
  EXPECT_EQ(shape(1, {Wiring::causal, Weights::by_position}), (Shape{3, 3}));
  EXPECT_EQ(shape(2, {Wiring::causal, Weights::separate}, 6), (Shape{2, 3, 4, 6}));
  EXPECT_EQ(shape(2, {Wiring::causal, Weights::shared}, 6), (Shape{4, 6}));
  EXPECT_EQ(shape(1, {Wiring::grid, Weights::per_channel}, 7), (Shape{4, 3, 7}));
  EXPECT_EQ(shape(1, {Wiring::causal, Weights::per_channel}), (Shape{4, 3}));
  const auto with = [](int axis, Wired wired, std::int64_t groups, std::int64_t radius) {
    DenseMap map = make({2, 3}, 4, 5, axis, wired, Order::batch_inner);
    map.groups = groups;
    map.radius = radius;
    return weight_shape(map);
  };
  EXPECT_EQ(with(1, {Wiring::causal, Weights::shared}, 2, 1), (Shape{2, 2}));
  EXPECT_EQ(with(1, {Wiring::causal, Weights::by_position}, 2, 1), (Shape{2, 3, 2}));
  EXPECT_EQ(with(1, {Wiring::causal, Weights::separate}, 0, 1), (Shape{2, 3, 4, 2}));
  EXPECT_EQ(with(1, {Wiring::grid, Weights::shared}, 1, 1), (Shape{1, 3, 3}));
  EXPECT_EQ(with(2, {Wiring::grid, Weights::shared}, 2, 0), (Shape{4, 2}));
  EXPECT_EQ(with(2, {Wiring::grid, Weights::separate}, 2, 0), (Shape{2, 3, 4, 2}));
}

}  // namespace
}  // namespace ortho
