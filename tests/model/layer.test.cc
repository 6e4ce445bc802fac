#include "model/layer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "tests/support/dense_terms.h"
#include "tests/support/errors.h"
#include "tests/support/gradcheck.h"
#include "tests/support/layer_kit.h"

namespace ortho {
namespace {

constexpr Order kOrders[] = {Order::batch_inner, Order::channels_inner};

// ---- gradients ----

// Largest difference between backward and central differences over every x and w.
double worst_gradient_error(const ModelSpec& spec, const Nodes& nodes, std::int64_t single_out) {
  Kit<double> kit(spec, nodes, single_out);
  auto x = normal_numbers<double>(nodes.elements(), 1);
  const auto dy = normal_numbers<double>(kit.layer.output().elements(), 2);
  const auto loss = [&] {
    const std::vector<double> y = kit.forward(x);
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) sum += y[i] * dy[i];
    return sum;
  };
  loss();
  std::vector<double> dx(x.size(), 99.0);            // backward overwrites dx …
  for (double& grad : kit.params.grads()) grad = 1;  // … and adds to the weights'
  kit.layer.backward(x.data(), dy.data(), dx.data());
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i)
    worst = std::max(worst, std::abs(central_difference(x[i], loss) - dx[i]));
  for (size_t i = 0; i < kit.params.values().size(); ++i)
    worst = std::max(worst, std::abs(central_difference(kit.params.values()[i], loss) -
                                     (kit.params.grads()[i] - 1)));
  return worst;
}

// The loss is linear in every single x and w (a chain is multilinear), so central differences have
// no truncation error: what is left is 2^-53 times a loss of at most 1000 over a step of 1e-5.
constexpr double kGradientBound = 2e-8;

TEST(Layer, GradientsEqualDifferences) {
  struct Wired {
    Wiring wiring;
    Weights weights;
  };
  for (const Wired& wired :
       {Wired{Wiring::grid, Weights::separate}, Wired{Wiring::grid, Weights::shared},
        Wired{Wiring::grid_causal, Weights::separate}, Wired{Wiring::grid_causal, Weights::shared},
        Wired{Wiring::causal, Weights::separate}, Wired{Wiring::causal, Weights::shared},
        Wired{Wiring::causal, Weights::by_position}, Wired{Wiring::grid, Weights::per_channel},
        Wired{Wiring::causal, Weights::per_channel}, Wired{Wiring::grid, Weights::tied},
        Wired{Wiring::causal, Weights::tied}})
    for (const Combine combine : {Combine::parallel, Combine::sequential, Combine::single})
      for (const Sequence sequence : {Sequence::ascending, Sequence::descending})
        for (const Order order : kOrders)
          for (const bool channel_axis : {true, false}) {
            if (sequence == Sequence::descending && combine != Combine::sequential) continue;
            ModelSpec spec = dense_spec({3, 2}, wired.weights, wired.wiring, combine);
            spec.sequence = sequence;
            spec.channel_axis = channel_axis;
            spec.single_axis = channel_axis ? -1 : 0;
            const std::int64_t out = combine == Combine::single && channel_axis ? 7 : 0;
            EXPECT_LT(worst_gradient_error(spec, {6, 2, 5, order}, out), kGradientBound)
                << static_cast<int>(wired.wiring) << static_cast<int>(wired.weights)
                << static_cast<int>(combine) << static_cast<int>(order) << channel_axis;
          }
}

TEST(Layer, AResizedTokenAxisHasGradients) {
  for (const Weights weights : {Weights::separate, Weights::shared})
    for (const std::int64_t axis : {0, 1})
      for (const Order order : kOrders) {
        ModelSpec spec = dense_spec({3, 2}, weights, Wiring::grid, Combine::single);
        spec.single_axis = axis;
        EXPECT_LT(worst_gradient_error(spec, {6, 3, 2, order}, 5), kGradientBound);
      }
}

// Tied axes, windows, nodes that do not hear themselves and heads, with and without a gate's halves.
TEST(Layer, GradientsOfWindowsHeadsAndTies) {
  for (const Wiring wiring : {Wiring::grid, Wiring::grid_causal, Wiring::causal})
    for (const Weights weights : {Weights::shared, Weights::separate, Weights::per_channel,
                                  Weights::tied, Weights::by_position})
      for (const Combine combine : {Combine::parallel, Combine::sequential})
        for (const std::int64_t heads : {1, 2}) {
          if (weights == Weights::by_position && wiring != Wiring::causal) continue;
          ModelSpec spec = dense_spec({2, 4, 4}, weights, wiring, combine);
          spec.hidden = 2;  // 4 channels are a gate's halves
          spec.heads = heads;
          spec.radius = 2;
          if (combine == Combine::parallel) spec.self = Self::once;
          for (const Order order : kOrders)
            EXPECT_LT(worst_gradient_error(spec, {32, 1, 4, order}, 0), kGradientBound)
                << static_cast<int>(wiring) << static_cast<int>(weights)
                << static_cast<int>(combine) << static_cast<int>(order) << heads;
        }
}

// ---- weights, memory, errors ----

std::vector<std::string> names(const std::vector<ParamSpec>& list) {
  std::vector<std::string> result;
  for (const ParamSpec& spec : list) result.push_back(spec.name);
  return result;
}

std::string kinds(const ParamSpec& spec) {
  std::string result;
  for (const Dim& dim : spec.dims) {
    const char* kind = dim.kind == DimKind::line       ? "line"
                       : dim.kind == DimKind::axis_in  ? "in"
                       : dim.kind == DimKind::axis_out ? "out"
                       : dim.kind == DimKind::tap      ? "tap"
                       : dim.kind == DimKind::head     ? "head"
                                                       : "?";
    result += text(kind, dim.axis, "=", dim.size, " ");
  }
  return result;
}

TEST(LayerParams, NamesFollowTheOrderOfTheMaps) {
  ModelSpec spec = dense_spec({2, 3}, Weights::separate, Wiring::grid, Combine::sequential);
  spec.sequence = Sequence::ascending;
  EXPECT_EQ(names(layer_params(spec, 4, "b")),
            (std::vector<std::string>{"b.axis.1.w", "b.axis.0.w", "b.channel.w"}));
  spec.sequence = Sequence::descending;
  EXPECT_EQ(names(layer_params(spec, 4, "b")),
            (std::vector<std::string>{"b.channel.w", "b.axis.0.w", "b.axis.1.w"}));
  spec.combine = Combine::single;
  spec.single_axis = 1;
  EXPECT_EQ(names(layer_params(spec, 4, "b")), (std::vector<std::string>{"b.axis.0.w"}));
  spec.channel_axis = false;
  spec.single_axis = -2;
  EXPECT_EQ(names(layer_params(spec, 4, "b")), (std::vector<std::string>{"b.axis.1.w"}));
}

TEST(LayerParams, TiedAxesOfOneSizeHaveOneWeight) {
  ModelSpec spec = dense_spec({4, 2, 4}, Weights::tied, Wiring::grid, Combine::parallel);
  using Names = std::vector<std::string>;
  EXPECT_EQ(names(layer_params(spec, 4, "b")), (Names{"b.size.4.w", "b.axis.1.w"}));
  EXPECT_EQ(names(layer_params(spec, 6, "b")), (Names{"b.size.4.w", "b.axis.1.w", "b.channel.w"}));
  spec.wiring = Wiring::causal;  // the channels stay a grid, whose array has another shape
  EXPECT_EQ(names(layer_params(spec, 4, "b")), (Names{"b.size.4.w", "b.axis.1.w", "b.channel.w"}));
  EXPECT_EQ(layer_params(spec, 4, "b")[0].shape(), (Shape{4}));
  spec.wiring = Wiring::grid_causal;  // the same shape, of which the channels read all
  EXPECT_EQ(names(layer_params(spec, 4, "b")), (Names{"b.size.4.w", "b.axis.1.w", "b.channel.w"}));
  spec.tokens = {2, 3};
  EXPECT_EQ(names(layer_params(spec, 4, "b")), (Names{"b.axis.1.w", "b.axis.0.w", "b.channel.w"}));
}

// One array read by three maps is the same as three arrays of equal numbers, and its gradient their
// sum: whole numbers, so in any order.
TEST(Layer, TiedGradientsAddUp) {
  const Nodes nodes{16, 3, 4, Order::batch_inner};
  const auto x = whole_numbers<double>(nodes.elements(), 1);
  const auto dy = whole_numbers<double>(nodes.elements(), 2);
  for (const Combine combine : {Combine::parallel, Combine::sequential}) {
    Kit<double> tied(dense_spec({4, 4}, Weights::tied, Wiring::grid, combine), nodes);
    Kit<double> apart(dense_spec({4, 4}, Weights::shared, Wiring::grid, combine), nodes);
    ASSERT_EQ(tied.params.size(), 16);
    const auto w = whole_numbers<double>(16, 3);
    std::copy(w.begin(), w.end(), tied.params.values().data());
    for (Param<double>& param : apart.params.all()) std::copy(w.begin(), w.end(), param.value);
    std::vector<double> dx(x.size()), dx_apart(x.size());
    EXPECT_EQ(tied.forward(x), apart.forward(x));
    tied.layer.backward(x.data(), dy.data(), dx.data());
    apart.layer.backward(x.data(), dy.data(), dx_apart.data());
    EXPECT_EQ(dx, dx_apart);
    for (size_t i = 0; i < 16; ++i) {
      double sum = 0;
      for (const Param<double>& param : apart.params.all()) sum += param.grad[i];
      EXPECT_EQ(tied.params.grads()[i], sum);
    }
  }
}

TEST(LayerParams, DimensionsSayWhatTheyCount) {
  const auto list = [](Weights weights, Wiring wiring) {
    ModelSpec spec = dense_spec({2, 3}, weights, wiring, Combine::parallel);
    std::vector<std::string> result;
    for (const ParamSpec& param : layer_params(spec, 4, "b")) result.push_back(kinds(param));
    return result;
  };
  using Kinds = std::vector<std::string>;
  EXPECT_EQ(list(Weights::separate, Wiring::grid),
            (Kinds{"in1=2 line0=3 line-1=4 out1=2 ", "line1=2 in0=3 line-1=4 out0=3 ",
                   "line1=2 line0=3 in-1=4 out-1=4 "}));
  EXPECT_EQ(list(Weights::shared, Wiring::grid_causal),
            (Kinds{"in1=2 out1=2 ", "in0=3 out0=3 ", "in-1=4 out-1=4 "}));
  EXPECT_EQ(list(Weights::separate, Wiring::causal),
            (Kinds{"line1=2 line0=3 line-1=4 tap1=2 ", "line1=2 line0=3 line-1=4 tap0=3 ",
                   "line1=2 line0=3 in-1=4 out-1=4 "}));
  EXPECT_EQ(list(Weights::shared, Wiring::causal),
            (Kinds{"tap1=2 ", "tap0=3 ", "in-1=4 out-1=4 "}));
  EXPECT_EQ(list(Weights::by_position, Wiring::causal),
            (Kinds{"line1=2 tap1=2 ", "line0=3 tap0=3 ", "in-1=4 out-1=4 "}));
  EXPECT_EQ(list(Weights::per_channel, Wiring::causal),
            (Kinds{"line-1=4 tap1=2 ", "line-1=4 tap0=3 ", "in-1=4 out-1=4 "}));
  EXPECT_EQ(list(Weights::per_channel, Wiring::grid),
            (Kinds{"line-1=4 in1=2 out1=2 ", "line-1=4 in0=3 out0=3 ", "in-1=4 out-1=4 "}));
  ModelSpec spec = dense_spec({2, 3}, Weights::shared, Wiring::causal, Combine::parallel);
  spec.heads = 2;
  spec.radius = 1;
  const auto heads = layer_params(spec, 4, "b");
  EXPECT_EQ(kinds(heads[1]), "head-1=2 tap0=2 ");
  EXPECT_EQ(kinds(heads[2]), "in-1=4 out-1=2 ");
}

TEST(LayerParams, TheScaleCountsTheInputsOfASum) {
  ModelSpec spec = dense_spec({2, 3}, Weights::separate, Wiring::grid, Combine::parallel);
  for (const ParamSpec& param : layer_params(spec, 4, "b"))
    EXPECT_DOUBLE_EQ(param.init.std, 1 / std::sqrt(9.0)) << param.name;
  spec.combine = Combine::sequential;
  spec.sequence = Sequence::ascending;
  const auto chain = layer_params(spec, 4, "b");
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_DOUBLE_EQ(chain[i].init.std, 1 / std::sqrt(static_cast<double>(i + 2)));
    EXPECT_EQ(chain[i].init.fill, Initial::normal);
    EXPECT_EQ(chain[i].role, Role::map);
    EXPECT_TRUE(chain[i].decay);
  }
}

TEST(LayerParams, AnIdentityFillIsTheIdentityInEveryWiring) {
  for (const Wiring wiring : {Wiring::grid, Wiring::grid_causal, Wiring::causal})
    for (const Weights weights : {Weights::separate, Weights::shared, Weights::by_position}) {
      if (weights == Weights::by_position && wiring != Wiring::causal) continue;
      const ModelSpec spec = dense_spec({2, 3}, weights, wiring, Combine::sequential);
      Kit<float> kit(spec, {6, 2, 4, Order::batch_inner});
      for (Param<float>& param : kit.params.all()) param.spec.init = {Initial::identity, 0};
      kit.params.initialise(1);
      const auto x = normal_numbers<float>(48, 3);
      EXPECT_EQ(kit.forward(x), x);
    }
}

TEST(LayerParams, AnIdentityFillOfAGatesHalvesIsTheIdentity) {
  for (const Wiring wiring : {Wiring::grid, Wiring::causal})
    for (const Weights weights : {Weights::separate, Weights::shared, Weights::per_channel}) {
      ModelSpec spec = dense_spec({2, 3}, weights, wiring, Combine::sequential);
      spec.hidden = 3;
      Kit<float> kit(spec, {6, 2, 6, Order::batch_inner});
      ASSERT_EQ(kit.params.at("block.0.channel.w").spec.dims.back().size, 3);
      for (Param<float>& param : kit.params.all()) param.spec.init = {Initial::identity, 0};
      kit.params.initialise(1);
      const auto x = normal_numbers<float>(72, 3);
      EXPECT_EQ(kit.forward(x), x);
    }
}

TEST(LayerParams, AnIdentityFillOfHeadsIsTheIdentity) {
  for (const bool halves : {false, true})
    for (const Weights weights : {Weights::separate, Weights::shared}) {
      ModelSpec spec = dense_spec({2, 3}, weights, Wiring::causal, Combine::sequential);
      spec.hidden = halves ? 6 : 5;
      spec.heads = 3;
      Kit<float> kit(spec, {6, 2, 12, Order::batch_inner});
      for (Param<float>& param : kit.params.all()) param.spec.init = {Initial::identity, 0};
      kit.params.initialise(1);
      const auto x = normal_numbers<float>(144, 3);
      EXPECT_EQ(kit.forward(x), x);
    }
}

TEST(Layer, AChainKeepsOneActivationLessThanItHasMaps) {
  const Nodes nodes{6, 2, 5, Order::batch_inner};
  const auto kept = [&](Combine combine) {
    ModelSpec spec = dense_spec({3, 2}, Weights::shared, Wiring::grid, combine);
    Kit<float> kit(spec, nodes);
    EXPECT_EQ(kit.layer.kept_bytes(), kit.arena.bytes());
    return kit.layer.kept_bytes();
  };
  EXPECT_EQ(kept(Combine::sequential), 2 * nodes.elements() * 4);
  EXPECT_EQ(kept(Combine::parallel), 0);
  EXPECT_EQ(kept(Combine::single), 0);
}

// The message of the usage error that making the list of weights ends with.
std::string refused(const ModelSpec& spec, std::int64_t channels, std::int64_t single_out = 0) {
  return message_of([&] { layer_params(spec, channels, "b", single_out); }, ErrorKind::usage);
}

TEST(LayerParams, RefusesWhatMakesNoLayer) {
  const ModelSpec good = dense_spec({2, 3}, Weights::shared, Wiring::causal, Combine::single);
  ModelSpec spec = good;
  spec.single_axis = 3;
  EXPECT_NE(refused(spec, 4).find("model.single_axis 3 is outside the 3"), std::string::npos);
  spec.single_axis = -4;
  EXPECT_NE(refused(spec, 4).find("model.single_axis -4"), std::string::npos);
  spec.single_axis = 0;
  EXPECT_NE(refused(spec, 4, 5).find("output size 5 is not 2"), std::string::npos);
  spec.combine = Combine::parallel;
  EXPECT_NE(refused(spec, 4, 5).find("only a single axis"), std::string::npos);
  spec.wiring = Wiring::grid;
  spec.weights = Weights::by_position;
  EXPECT_NE(refused(spec, 4).find("by_position needs wiring: causal"), std::string::npos);
  spec = good;
  spec.tokens = {};
  spec.channel_axis = false;
  EXPECT_NE(refused(spec, 4).find("channel_axis: true"), std::string::npos);
  spec = good;
  spec.tokens = {std::int64_t{1} << 40, std::int64_t{1} << 40};
  EXPECT_NE(refused(spec, 4).find("size overflow"), std::string::npos);
  spec.tokens = {0};
  EXPECT_NE(refused(spec, 4).find("at least one token"), std::string::npos);
}

}  // namespace
}  // namespace ortho
