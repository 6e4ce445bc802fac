// The layer against arrays that numpy computed from the paper's formulas
// (tests/golden/make_golden.py).
#include <gtest/gtest.h>

#include <functional>

#include "dataio/npy.h"
#include "model/apply.h"
#include "tests/support/dense_terms.h"
#include "tests/support/errors.h"
#include "tests/support/layer_kit.h"

namespace ortho {
namespace {

constexpr Order kOrders[] = {Order::batch_inner, Order::channels_inner};

Npy golden(const std::string& name) {
  return read_npy(std::string(ORTHO_SOURCE_DIR) + "/tests/golden/" + name + ".npy");
}

// [batch][grid] as the file has it -> a tensor, and back.
template <class T>
std::vector<T> to_nodes(const Npy& file, const Nodes& nodes) {
  std::vector<T> x(file.values.size());
  const std::int64_t inside = nodes.tokens * nodes.channels;
  for (std::int64_t b = 0; b < nodes.batch; ++b)
    for (std::int64_t node = 0; node < inside; ++node)
      x[place(nodes, node, b)] =
          static_cast<T>(file.values[static_cast<size_t>(b * inside + node)]);
  return x;
}

// In double both sides round sums of at most 4^3 products in another order: a few times 2^-53 times
// their size, at most 100. In float the same with 2^-24.
template <class T>
constexpr double kGoldenBound = sizeof(T) == 8 ? 1e-12 : 1e-4;

template <class T>
void expect_golden(const std::string& name, const Nodes& nodes, const std::vector<T>& y) {
  const Npy file = golden(name);
  ASSERT_EQ(file.values.size(), y.size()) << name;
  const std::vector<double> expected = to_nodes<double>(file, nodes);
  for (size_t i = 0; i < y.size(); ++i)
    ASSERT_NEAR(y[i], expected[i], kGoldenBound<T>) << name << " at " << i;
}

struct Golden {
  std::string name;
  Shape grid;  // the last axis is the channels
  Shape tokens() const { return {grid.begin(), grid.end() - 1}; }
};
const Golden kGolden[] = {{"3", {3}}, {"2x3", {2, 3}}, {"3x2x4", {3, 2, 4}}};

struct Mode {
  std::string name;
  Weights weights;
};
const Mode kModes[] = {{"separate", Weights::separate}, {"shared", Weights::shared}};

template <class T>
void set_weight(Param<T>& param, const Npy& file) {
  ASSERT_EQ(param.spec.shape(), file.shape) << param.spec.name;
  for (size_t i = 0; i < file.values.size(); ++i) param.value[i] = static_cast<T>(file.values[i]);
}

std::string weight_of(const Shape& grid, size_t axis) {
  if (axis + 1 == grid.size()) return "block.0.channel.w";
  return text("block.0.axis.", grid.size() - 2 - axis, ".w");
}

template <class T>
void check_all_axes(const Golden& g, const Mode& mode, Order order) {
  const Npy x = golden(g.name + ".x");
  const Nodes nodes{elements(g.tokens()), x.shape[0], g.grid.back(), order};
  const auto run = [&](Combine combine, Sequence sequence, const std::string& name) {
    ModelSpec spec = dense_spec(g.tokens(), mode.weights, Wiring::grid, combine);
    spec.sequence = sequence;
    Kit<T> kit(spec, nodes);
    for (size_t axis = 0; axis < g.grid.size(); ++axis)
      set_weight(kit.params.at(weight_of(g.grid, axis)),
                 golden(text(g.name, ".w.", mode.name, ".", axis)));
    expect_golden<T>(g.name + ".y." + mode.name + "." + name, nodes,
                     kit.forward(to_nodes<T>(x, nodes)));
  };
  run(Combine::parallel, Sequence::ascending, "parallel");
  run(Combine::sequential, Sequence::ascending, "ascending");
  run(Combine::sequential, Sequence::descending, "descending");
}

template <class T>
void check_single_axes(const Golden& g, const Mode& mode, Order order) {
  const Npy x = golden(g.name + ".x");
  const Nodes nodes{elements(g.tokens()), x.shape[0], g.grid.back(), order};
  for (size_t axis = 0; axis < g.grid.size(); ++axis) {
    ModelSpec spec = dense_spec(g.tokens(), mode.weights, Wiring::grid, Combine::single);
    for (const auto named :
         {static_cast<std::int64_t>(axis),
          static_cast<std::int64_t>(axis) - static_cast<std::int64_t>(g.grid.size())}) {
      spec.single_axis = named;  // counted from either end
      Kit<T> kit(spec, nodes, 5);
      set_weight(kit.params.at(weight_of(g.grid, axis)),
                 golden(text(g.name, ".w5.", mode.name, ".", axis)));
      expect_golden<T>(text(g.name, ".y.", mode.name, ".single", axis), kit.layer.output(),
                       kit.forward(to_nodes<T>(x, nodes)));
    }
  }
}

TEST(Layer, EqualsThePapers) {
  for (const Golden& g : kGolden)
    for (const Mode& mode : kModes)
      for (const Order order : kOrders) {
        check_all_axes<double>(g, mode, order);
        check_all_axes<float>(g, mode, order);
      }
}

TEST(Layer, OneAxisWithAnotherSizeEqualsThePapers) {
  for (const Golden& g : kGolden)
    for (const Mode& mode : kModes)
      for (const Order order : kOrders) {
        check_single_axes<double>(g, mode, order);
        check_single_axes<float>(g, mode, order);
      }
}

// The other kinds of weights and maps, on a grid [4, 2] of 4 channels.
struct GoldenKind {
  std::string name;
  std::string weights[3];  // of the two token axes and the channels
  std::function<void(ModelSpec&)> change;
  bool chains = true;
};
const GoldenKind kGoldenKinds[] = {
    {"per_channel",
     {"per_channel.0", "per_channel.1", "shared.2"},
     [](ModelSpec& s) { s.weights = Weights::per_channel; }},
    {"tied", {"shared.0", "shared.1", "shared.0"}, [](ModelSpec& s) { s.weights = Weights::tied; }},
    {"radius1", {"shared.0", "shared.1", "shared.2"}, [](ModelSpec& s) { s.radius = 1; }},
    {"once",
     {"shared.0", "shared.1", "shared.2"},
     [](ModelSpec& s) { s.self = Self::once; },
     false},
    {"heads2", {"heads2.0", "heads2.1", "heads2.2"}, [](ModelSpec& s) { s.heads = 2; }},
};

template <class T>
void check_kind(const GoldenKind& kind, Order order, Combine combine, Sequence sequence,
                const std::string& name) {
  const Npy x = golden("4x2x4.x");
  const Nodes nodes{8, x.shape[0], 4, order};
  ModelSpec spec = dense_spec({4, 2}, Weights::shared, Wiring::grid, combine);
  spec.sequence = sequence;
  kind.change(spec);
  Kit<T> kit(spec, nodes);
  const std::vector<DenseMap> maps = layer_maps(spec, nodes);
  for (size_t i = 0; i < maps.size(); ++i)
    set_weight(kit.params.at(weight_name(spec, maps, i, "block.0")),
               golden("4x2x4.w." + kind.weights[maps[i].axis]));
  expect_golden<T>("4x2x4.y." + kind.name + "." + name, nodes, kit.forward(to_nodes<T>(x, nodes)));
}

TEST(Layer, EveryKindOfMapEqualsItsFormula) {
  for (const GoldenKind& kind : kGoldenKinds)
    for (const Order order : kOrders) {
      check_kind<double>(kind, order, Combine::parallel, Sequence::ascending, "parallel");
      check_kind<float>(kind, order, Combine::parallel, Sequence::ascending, "parallel");
      if (!kind.chains) continue;
      check_kind<double>(kind, order, Combine::sequential, Sequence::ascending, "ascending");
      check_kind<double>(kind, order, Combine::sequential, Sequence::descending, "descending");
    }
}

// A ModelSpec has one kind of weights; the axis maps
// themselves mix freely, as the paper's layer does.
TEST(AxisMap, MixedWeightsEqualThePapers) {
  const auto backend = make_cpu_backend<double>(1);
  for (const Golden& g : kGolden)
    for (const Order order : kOrders) {
      const Npy file = golden(g.name + ".x");
      const Nodes nodes{elements(g.tokens()), file.shape[0], g.grid.back(), order};
      const std::vector<double> x = to_nodes<double>(file, nodes);
      std::vector<double> sum(x.size()), chain = x, next(x.size());
      for (size_t axis = 0; axis < g.grid.size(); ++axis) {
        const Mode& mode = kModes[axis % 2];
        const DenseMap map{
            g.tokens(),   nodes.batch,  nodes.channels, order, static_cast<int>(axis),
            g.grid[axis], mode.weights, Wiring::grid};
        const Npy w = golden(text(g.name, ".w.", mode.name, ".", axis));
        ParamSpec spec{"w", {}, Role::map, {}, true};
        for (const std::int64_t size : w.shape) spec.dims.push_back({DimKind::line, size});
        Params<double> params({spec});
        set_weight(params.at("w"), w);
        DenseAxisMap<double> axis_map(map, params.at("w"), *backend);
        axis_map.forward(x.data(), sum.data(), axis > 0);
        axis_map.forward(chain.data(), next.data(), false);
        std::swap(chain, next);
      }
      expect_golden<double>(g.name + ".y.mixed.parallel", nodes, sum);
      expect_golden<double>(g.name + ".y.mixed.ascending", nodes, chain);
    }
}

// The whole layer on arrays, as `orthotope apply` runs it.
template <class T>
ApplyArray<T> array_of(const std::string& name) {
  const Npy file = golden(name);
  return {file.shape, {file.values.begin(), file.values.end()}};
}

template <class T>
void expect_applied(const Golden& g, const std::string& mode, ApplyRule rule,
                    const std::string& result) {
  std::map<int, ApplyArray<T>> weights;
  const std::string w = rule.combine == Combine::single ? ".w5." : ".w.";
  for (const int axis : applied_axes(rule)) {
    const std::string kind = mode != "mixed" ? mode : axis % 2 == 1 ? "shared" : "separate";
    weights[axis] = array_of<T>(text(g.name, w, kind, '.', axis));
  }
  const ApplyArray<T> y = apply_layer(rule, array_of<T>(g.name + ".x"), weights);
  const Npy expected = golden(text(g.name, ".y.", mode, '.', result));
  ASSERT_EQ(y.shape, expected.shape) << g.name << mode << result;
  for (size_t i = 0; i < y.values.size(); ++i)
    ASSERT_NEAR(y.values[i], expected.values[i], kGoldenBound<T>) << g.name << mode << result;
}

template <class T>
void expect_all_applied(const Golden& g, const std::string& mode) {
  ApplyRule rule{g.grid, Combine::parallel, Sequence::ascending, Wiring::grid, -1};
  expect_applied<T>(g, mode, rule, "parallel");
  rule.combine = Combine::sequential;
  expect_applied<T>(g, mode, rule, "ascending");
  rule.sequence = Sequence::descending;
  expect_applied<T>(g, mode, rule, "descending");
  rule.combine = Combine::single;
  const auto axes = static_cast<int>(g.grid.size());
  for (int axis = 0; axis < axes && mode != "mixed"; ++axis) {
    rule.single = axis;
    expect_applied<T>(g, mode, rule, text("single", axis));
    rule.single = axis - axes;
    expect_applied<T>(g, mode, rule, text("single", axis));
  }
}

TEST(Apply, EqualsThePapers) {
  for (const Golden& g : kGolden)
    for (const char* mode : {"separate", "shared", "mixed"}) {
      expect_all_applied<double>(g, mode);
      expect_all_applied<float>(g, mode);
    }
}

TEST(Apply, NamesShapesThatDoNotFit) {
  const ApplyArray<float> x{{2, 3, 4}, std::vector<float>(24)};
  const std::map<int, ApplyArray<float>> weights = {{0, {{3, 3}, std::vector<float>(9)}},
                                                    {1, {{4, 5}, std::vector<float>(20)}}};
  const auto why = [&](const ApplyRule& rule) {
    return message_of([&] { apply_layer(rule, x, weights); }, ErrorKind::usage);
  };
  EXPECT_NE(why({{3, 4}}).find("axis_1 is [4, 5]"), std::string::npos) << why({{3, 4}});
  EXPECT_NE(why({{4, 3}}).find("the input is [2, 3, 4]"), std::string::npos);
  EXPECT_NE(why({{3, 4}, Combine::single, Sequence::ascending, Wiring::grid, 2}).find("--axis 2"),
            std::string::npos);
}

}  // namespace
}  // namespace ortho
