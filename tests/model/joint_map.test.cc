#include "model/joint_map.h"

#include <gtest/gtest.h>

#include "tests/support/orders.h"

namespace ortho {
namespace {

// Small whole numbers: every product and sum below is exact, so comparisons are ==.
template <class T>
std::vector<T> whole_numbers(std::int64_t count, std::uint64_t seed) {
  const Random random(seed, "whole");
  std::vector<T> x;
  for (std::int64_t i = 0; i < count; ++i)
    x.push_back(static_cast<T>(
        static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(i), 7)) - 3));
  return x;
}

struct JointCase {
  Wiring wiring;
  Lines lines;
  std::int64_t batch, channels, out;
};

// One block whose middle axis has these lines.
ModelSpec spec_of(const JointCase& c) {
  ModelSpec spec;
  spec.tokens = {c.lines.outer, c.lines.size, c.lines.stride};
  spec.channels = c.channels;
  spec.hidden = c.out;
  spec.gate = false;
  spec.wiring = c.wiring;
  spec.blocks = 1;
  spec.sequence = Sequence::ascending;
  spec.text_symbols = 1;
  return spec;
}

std::vector<JointCase> cases() {
  std::vector<JointCase> all;
  for (const Wiring wiring : {Wiring::causal, Wiring::grid, Wiring::grid_causal, Wiring::mirrored})
    for (const Lines& lines : {Lines{1, 3, 1}, Lines{2, 3, 1}, Lines{1, 2, 5}, Lines{2, 2, 3}})
      all.push_back({wiring, lines, 3, 4, wiring == Wiring::mirrored ? 6 : 5});
  return all;
}

template <class T>
struct JointKit {
  JointKit(const JointCase& c, Order order)
      : spec(spec_of(c)),
        sharding(spec, c.batch, Cuts{}, 0, order),
        nodes(sharding.local(sharding.home(), c.channels)),
        params(param_specs(spec)),
        weight(params.at("block.0.axis.1.w1")),
        backend(make_cpu_backend<T>(1)),
        moves(sharding, nullptr, arena),
        build{spec, sharding, params, *backend, arena, moves},
        sites(joint_sites(spec, sharding)),
        map(build, sites[1], weight, take_joint_scratch<T>(build, sites), "map") {
    const auto w = whole_numbers<T>(weight.size, 1);
    std::copy(w.begin(), w.end(), weight.value);
  }
  std::span<T> values() { return {weight.value, static_cast<size_t>(weight.size)}; }
  std::span<T> grads() { return {weight.grad, static_cast<size_t>(weight.size)}; }
  ModelSpec spec;
  Sharding sharding;
  Nodes nodes;
  Params<T> params;
  Param<T>& weight;
  std::unique_ptr<Backend<T>> backend;
  Arena<T> arena;
  Moves<T> moves;
  Build<T> build;
  std::vector<JointSite> sites;
  JointMap<T> map;
};

// The definition, one product at a time: docs/layer.md, sections 2 and 3.
template <class T>
std::vector<T> by_definition(const JointCase& c, const std::vector<T>& x, std::span<const T> w) {
  const std::int64_t s = c.lines.size, stride = c.lines.stride, tokens = c.lines.outer * s * stride;
  std::vector<T> z(static_cast<size_t>(tokens * c.batch * c.out), T(0));
  for (std::int64_t t = 0; t < tokens; ++t)
    for (std::int64_t k = 0; k < s; ++k) {
      const std::int64_t j = t / stride % s;
      if (c.wiring == Wiring::grid_causal && k > j) continue;
      for (std::int64_t b = 0; b < c.batch; ++b)
        for (std::int64_t i = 0; i < c.channels; ++i)
          for (std::int64_t o = 0; o < c.out; ++o) {
            const bool ahead = c.wiring == Wiring::mirrored && o >= c.out / 2;
            const std::int64_t source =
                carries(c.wiring) ? t + (ahead ? k : -k) * stride : t + (k - j) * stride;
            if (source < 0 || source >= tokens) continue;
            const std::int64_t weight = carries(c.wiring)
                                            ? (k * c.channels + i) * c.out + o
                                            : ((k * c.channels + i) * s + j) * c.out + o;
            z[static_cast<size_t>((t * c.batch + b) * c.out + o)] +=
                x[static_cast<size_t>((source * c.batch + b) * c.channels + i)] *
                w[static_cast<size_t>(weight)];
          }
    }
  return z;
}

TEST(JointMap, EqualsItsDefinitionInBothOrders) {
  for (const JointCase& c : cases()) {
    JointKit<float> kit(c, Order::channels_inner), other(c, Order::batch_inner);
    const auto x = whole_numbers<float>(kit.nodes.elements(), 2);
    const auto truth = by_definition<float>(c, x, kit.values());
    std::vector<float> z(truth.size(), -99), swapped(truth.size(), -99);
    kit.map.forward(x.data(), z.data());
    EXPECT_EQ(z, truth) << "wiring " << static_cast<int>(c.wiring) << ", stride " << c.lines.stride;
    other.map.forward(reordered(kit.nodes, x).data(), swapped.data());
    EXPECT_EQ(reordered(other.nodes.with_channels(c.out), swapped), truth);
  }
}

// <J x, y> = <x, J* y>, and the weight gradient is the sum
// of products x * y along each path: exact in whole numbers.
TEST(JointMap, BackwardIsTheAdjointInBothOrders) {
  for (const JointCase& c : cases()) {
    JointKit<double> kit(c, Order::channels_inner);
    JointKit<double> other(c, Order::batch_inner);
    const auto x = whole_numbers<double>(kit.nodes.elements(), 3);
    const auto y = whole_numbers<double>(kit.nodes.rows() * c.out, 4);
    const Nodes out = kit.nodes.with_channels(c.out);
    std::vector<double> z(y.size()), dx(x.size(), -99), swapped(x.size(), -99);
    kit.map.forward(x.data(), z.data());
    kit.map.backward(x.data(), y.data(), dx.data());
    kit.map.backward_weights(x.data(), y.data());
    double forward = 0, backward = 0, by_weight = 0;
    for (size_t i = 0; i < y.size(); ++i) forward += z[i] * y[i];
    for (size_t i = 0; i < x.size(); ++i) backward += x[i] * dx[i];
    for (size_t i = 0; i < kit.values().size(); ++i) by_weight += kit.values()[i] * kit.grads()[i];
    EXPECT_EQ(forward, backward);
    EXPECT_EQ(forward, by_weight);  // the map is linear in its weights too
    other.map.backward(reordered(kit.nodes, x).data(), reordered(out, y).data(), swapped.data());
    other.map.backward_weights(reordered(kit.nodes, x).data(), reordered(out, y).data());
    EXPECT_EQ(reordered(other.nodes, swapped), dx);
    for (size_t i = 0; i < kit.grads().size(); ++i) EXPECT_EQ(kit.grads()[i], other.grads()[i]);
  }
}

// Chained taps of ones with one channel: entry (t, p) counts the paths from token p to token t.
std::vector<float> path_counts(const Shape& axes, Wiring wiring, std::int64_t source) {
  const std::int64_t tokens = elements(axes);
  const Index step = strides(axes);
  std::vector<float> x(static_cast<size_t>(tokens), 0), y(x.size());
  x[static_cast<size_t>(source)] = 1;
  for (size_t i = axes.size(); i-- > 0;) {
    const JointCase c = {wiring, {tokens / (axes[i] * step[i]), axes[i], step[i]}, 1, 1, 1};
    JointKit<float> kit(c, Order::channels_inner);
    std::fill(kit.values().begin(), kit.values().end(), 1.0f);
    kit.map.forward(x.data(), y.data());
    x = y;
  }
  return x;
}

TEST(JointMap, CausalChainsReachEveryEarlierTokenByOnePath) {
  for (const Shape& axes : {Shape{2, 2, 2, 2, 2, 2}, Shape{4, 4, 4}, Shape{3, 5}, Shape{2, 3, 4}})
    for (std::int64_t p = 0; p < elements(axes); ++p) {
      const auto counts = path_counts(axes, Wiring::causal, p);
      for (std::int64_t t = 0; t < elements(axes); ++t)
        EXPECT_EQ(counts[static_cast<size_t>(t)], t >= p ? 1 : 0)
            << shape_text(axes) << ' ' << p << " -> " << t;
    }
}

TEST(JointMap, GridCausalChainsLoseCoverage) {
  double paths = 0;
  for (std::int64_t p = 0; p < 64; ++p)
    for (const float count : path_counts({4, 4, 4}, Wiring::grid_causal, p))
      paths += static_cast<double>(count);
  EXPECT_EQ(paths, 1000);  // the product of s (s + 1) / 2, against 2,080 for causal
}

}  // namespace
}  // namespace ortho
