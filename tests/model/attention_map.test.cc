#include "model/attention_map.h"

#include <gtest/gtest.h>

#include "tests/support/line_map_kit.h"
#include "tests/support/orders.h"

namespace ortho {
namespace {

using test::LineMapKit;

struct AttentionCase {
  ModelSpec spec;
  size_t number;  // of the map in the block
};

std::string case_text(const AttentionCase& one) {
  return text(shape_text(one.spec.tokens), " wiring ", static_cast<int>(one.spec.wiring), " sets ",
              list_text(one.spec.sets), " map ", one.number, one.spec.gate ? " gate" : "");
}

std::vector<AttentionCase> cases() {
  std::vector<AttentionCase> all;
  for (const Wiring wiring : {Wiring::causal, Wiring::grid, Wiring::grid_causal})
    for (const bool gate : {false, true})
      for (const std::vector<std::int64_t>& sets :
           std::vector<std::vector<std::int64_t>>{{}, {1, 2, 2}, {1, 2, 1}, {7, 7, 7}}) {
        ModelSpec spec = test::bare_spec({2, 3, 2}, wiring);
        spec.map = MapKind::attention;
        spec.heads = 3;
        spec.gate = gate;
        spec.sets = sets;
        for (size_t i = 0; i < line_maps(spec).size(); ++i) all.push_back({spec, i});
      }
  return all;
}

// x W of the token t and window b, channels inside.
std::vector<double> projected(const Nodes& nodes, const std::vector<double>& x,
                              const Param<double>& weight, std::int64_t row) {
  const std::int64_t out = weight.size / nodes.channels;
  std::vector<double> y(static_cast<size_t>(out), 0);
  for (std::int64_t c = 0; c < nodes.channels; ++c)
    for (std::int64_t e = 0; e < out; ++e)
      y[static_cast<size_t>(e)] +=
          x[static_cast<size_t>(row * nodes.channels + c)] * weight.value[c * out + e];
  return y;
}

// The definition of the class, one number at a time.
std::vector<double> by_definition(LineMapKit<double>& kit, size_t number,
                                  const std::vector<double>& x) {
  const ModelSpec& spec = kit.spec;
  const Nodes& nodes = kit.nodes;
  const std::int64_t e = spec.hidden, g = gated_width(spec), width = e / spec.heads;
  const std::int64_t line = line_size(spec, kit.sites.at(number).map);
  const std::int64_t columns = spec.wiring == Wiring::causal ? 1 : line;
  std::vector<double> z(static_cast<size_t>(nodes.rows() * g), 0);
  for (std::int64_t t = 0; t < nodes.tokens; ++t)
    for (std::int64_t b = 0; b < nodes.batch; ++b) {
      const auto q = projected(nodes, x, kit.weight(".query"), t * nodes.batch + b);
      for (std::int64_t head = 0; head < spec.heads; ++head) {
        double sum = 0;
        std::vector<double> result(static_cast<size_t>(g), 0);
        for (const auto& [source, index, column] : test::connections(spec, kit.axes(number), t)) {
          const auto k = projected(nodes, x, kit.weight(".key"), source * nodes.batch + b);
          const auto v = projected(nodes, x, kit.weight(".value"), source * nodes.batch + b);
          double score = 0;
          for (std::int64_t i = head * width; i < (head + 1) * width; ++i)
            score += q[static_cast<size_t>(i)] * k[static_cast<size_t>(i)];
          const double share =
              std::exp(score / std::sqrt(static_cast<double>(width)) +
                       kit.weight(".bias").value[(head * line + index) * columns + column]);
          sum += share;
          for (size_t i = 0; i < v.size(); ++i) result[i] += share * v[i];
        }
        for (std::int64_t i = 0; i < g; ++i)
          if (i % e / width == head)
            z[static_cast<size_t>((t * nodes.batch + b) * g + i)] =
                result[static_cast<size_t>(i)] / sum;
      }
    }
  return z;
}

// Sums of at most 12 shares in another order, in double: 1e-16 each, of numbers up to 10.
constexpr double kRounding = 1e-13;

void expect_near(const std::vector<double>& values, const std::vector<double>& truth,
                 const std::string& what) {
  ASSERT_EQ(values.size(), truth.size());
  for (size_t i = 0; i < values.size(); ++i)
    ASSERT_NEAR(values[i], truth[i], kRounding) << what << ", element " << i;
}

TEST(AttentionMap, EqualsItsDefinitionInBothOrders) {
  for (const AttentionCase& one : cases()) {
    LineMapKit<double> kit(one.spec, one.number, 3, Order::channels_inner),
        other(one.spec, one.number, 3, Order::batch_inner);
    const auto x = test::random_numbers<double>(kit.nodes.elements(), "x");
    const auto truth = by_definition(kit, one.number, x);
    const std::int64_t g = gated_width(one.spec);
    std::vector<double> z(truth.size(), -99), swapped(truth.size(), -99);
    kit.map->forward(x.data(), z.data());
    expect_near(z, truth, case_text(one));
    other.map->forward(reordered(kit.nodes, x).data(), swapped.data());
    expect_near(reordered(other.nodes.with_channels(g), swapped), truth, case_text(one));
  }
}

// The two orders' gradients agree; that they are right, the gradients of whole models show.
TEST(AttentionMap, BackwardIsTheSameInBothOrders) {
  for (const AttentionCase& one : cases()) {
    LineMapKit<double> kit(one.spec, one.number, 3, Order::channels_inner),
        other(one.spec, one.number, 3, Order::batch_inner);
    const Nodes out = kit.nodes.with_channels(gated_width(one.spec));
    const auto x = test::random_numbers<double>(kit.nodes.elements(), "x"),
               dz = test::random_numbers<double>(out.elements(), "dz");
    std::vector<double> z(dz.size()), dx(x.size(), -99), swapped(x.size(), -99);
    kit.map->forward(x.data(), z.data());
    kit.map->backward(x.data(), dz.data(), dx.data());
    kit.map->backward_weights(x.data(), dz.data());
    const auto other_x = reordered(kit.nodes, x);
    other.map->forward(other_x.data(), z.data());
    other.map->backward(other_x.data(), reordered(out, dz).data(), swapped.data());
    other.map->backward_weights(other_x.data(), reordered(out, dz).data());
    expect_near(reordered(other.nodes, swapped), dx, case_text(one));
    const auto grads = kit.params.grads(), other_grads = other.params.grads();
    for (size_t i = 0; i < grads.size(); ++i)
      ASSERT_NEAR(grads[i], other_grads[i], 1e3 * kRounding) << case_text(one);  // sums of 36 rows
  }
}

// Large scores stay finite: the largest is taken out before the exponential.
TEST(AttentionMap, LargeScoresStayFinite) {
  AttentionCase one = cases().front();
  LineMapKit<float> kit(one.spec, one.number, 2, Order::channels_inner);
  auto x = test::random_numbers<float>(kit.nodes.elements(), "x");
  for (float& value : x) value *= 1e4f;
  std::vector<float> z(static_cast<size_t>(kit.nodes.rows() * gated_width(one.spec)));
  kit.map->forward(x.data(), z.data());
  for (const float value : z) EXPECT_TRUE(std::isfinite(value));
}

}  // namespace
}  // namespace ortho
