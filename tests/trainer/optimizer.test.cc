#include "trainer/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "tensor/backend.h"

namespace ortho {
namespace {

ParamSpec spec(const std::string& name, Shape shape, bool decay) {
  ParamSpec result{name, {}, Role::map, {}, decay};
  for (const std::int64_t size : shape) result.dims.push_back({DimKind::channel, size});
  return result;
}

std::vector<ParamSpec> two_specs() { return {spec("w", {3, 4}, true), spec("g", {4}, false)}; }

template <class T>
void fill(Params<T>& params) {
  for (size_t i = 0; i < params.values().size(); ++i)
    params.values()[i] = static_cast<T>(0.25 * static_cast<double>(i) - 1);
}

// Gradients of step n.
template <class T>
void fill_grads(Params<T>& params, int n) {
  for (size_t i = 0; i < params.grads().size(); ++i)
    params.grads()[i] = static_cast<T>(std::sin(static_cast<double>(i) + 3.0 * n));
}

// PyTorch's AdamW for one weight, written as its documentation states it.
struct ReferenceAdamw {
  double w, m = 0, v = 0;
  void step(const OptimizerConfig& c, double lr, double g, double decay, int t) {
    w -= lr * decay * w;
    m = c.beta1 * m + (1 - c.beta1) * g;
    v = c.beta2 * v + (1 - c.beta2) * g * g;
    const double m_hat = m / (1 - std::pow(c.beta1, t)), v_hat = v / (1 - std::pow(c.beta2, t));
    w -= lr * m_hat / (std::sqrt(v_hat) + c.epsilon);
  }
};

TEST(Optimizer, AdamwFollowsItsFormula) {
  OptimizerConfig config;
  config.epsilon = 1e-3;  // large enough to show where it is added
  const auto backend = make_cpu_backend<double>(1);
  Params<double> params(two_specs());
  fill(params);
  std::vector<ReferenceAdamw> reference;
  for (const double w : params.values()) reference.push_back({w});
  OptimizerState<double> state = fresh_state(config, params);
  Optimizer<double> optimizer(config, params, state);
  for (int t = 1; t <= 5; ++t) {
    fill_grads(params, t);
    const double scale = 0.5, lr = 0.01 * t;
    for (const auto& param : params.all())
      for (std::int64_t i = 0; i < param.size; ++i)
        reference[static_cast<size_t>(param.offset + i)].step(config, lr, scale * param.grad[i],
                                                              param.spec.decay ? 0.1 : 0, t);
    optimizer.update(*backend, params, lr, scale);
  }
  for (size_t i = 0; i < reference.size(); ++i)
    EXPECT_NEAR(params.values()[i], reference[i].w, 1e-14);  // other order of the same products
}

TEST(Optimizer, SgdWithMomentum) {
  OptimizerConfig config;
  config.name = OptimizerConfig::Name::sgd;
  config.momentum = 0.5;
  config.weight_decay = 0.25;
  const auto backend = make_cpu_backend<double>(1);
  Params<double> params(two_specs());
  params.values()[0] = 8;   // of w, which decays
  params.values()[12] = 8;  // of g, which does not
  params.grads()[0] = params.grads()[12] = 2;
  OptimizerState<double> state = fresh_state(config, params);
  Optimizer<double> optimizer(config, params, state);
  optimizer.update(*backend, params, 0.5, 1);
  EXPECT_EQ(params.values()[0], 8 - 0.5 * (2 + 0.25 * 8));  // powers of two: exact
  EXPECT_EQ(params.values()[12], 7);
  optimizer.update(*backend, params, 0.5, 1);
  EXPECT_EQ(params.values()[12], 7 - 0.5 * (0.5 * 2 + 2));
  EXPECT_EQ(state.second.size(), 0);
}

TEST(Optimizer, NewRegionsCountFromOneWhileOldOnesGoOn) {
  const OptimizerConfig config;
  const auto backend = make_cpu_backend<double>(1);
  Params<double> params(two_specs());
  // Columns 0 and 1 of w are old (steps 100), columns 2 and 3 new: runs of two inside every row.
  OptimizerState<double> state = fresh_state(config, params);
  state.regions[0] = {{{{0, 0}, {3, 2}}, 100}, {{{0, 2}, {3, 4}}, 0}};
  state.regions[1][0].steps = 100;
  for (std::int64_t i = 0; i < params.size(); ++i) {
    params.grads()[static_cast<size_t>(i)] = 1;
    const bool old = i >= 12 || i % 4 < 2;
    state.first[i] = old ? 1 : 0;
    state.second[i] = old ? 1 : 0;
  }
  Optimizer<double> optimizer(config, params, state);
  optimizer.update(*backend, params, 0.01, 1);
  // New weights: m / (1 - b1) = v / (1 - b2) = 1, so they move by the rate. Old ones: m = v = 1
  // stays, and their corrections are those of step 101.
  const double old_step = 0.01 / (1 - std::pow(0.9, 101)) * std::sqrt(1 - std::pow(0.99, 101));
  for (std::int64_t i = 0; i < params.size(); ++i) {
    const bool old = i >= 12 || i % 4 < 2;
    // 1e-9: epsilon 1e-8 beside a root of 1, times the rate 0.01.
    EXPECT_NEAR(params.values()[static_cast<size_t>(i)], old ? -old_step : -0.01, 1e-9) << i;
  }
  EXPECT_EQ(state.regions[0][0].steps, 101);
  EXPECT_EQ(state.regions[0][1].steps, 1);
  EXPECT_EQ(state.regions[1][0].steps, 101);
}

TEST(Optimizer, CuttingAParameterIntoRegionsChangesNoBit) {
  const OptimizerConfig config;
  const auto backend = make_cpu_backend<float>(1);
  Params<float> whole_params(two_specs()), cut_params(two_specs());
  fill(whole_params);
  fill(cut_params);
  OptimizerState<float> state = fresh_state(config, cut_params);
  state.regions[0] = {{{{0, 0}, {1, 4}}, 0}, {{{1, 0}, {3, 1}}, 0}, {{{1, 1}, {3, 4}}, 0}};
  OptimizerState<float> whole_state = fresh_state(config, whole_params);
  Optimizer<float> one(config, whole_params, whole_state), other(config, cut_params, state);
  for (int t = 1; t <= 3; ++t) {
    fill_grads(whole_params, t);
    fill_grads(cut_params, t);
    one.update(*backend, whole_params, 0.01, 0.7);
    other.update(*backend, cut_params, 0.01, 0.7);
  }
  for (size_t i = 0; i < whole_params.values().size(); ++i)
    EXPECT_EQ(whole_params.values()[i], cut_params.values()[i]);
}

TEST(Optimizer, StateGoesOnBitForBit) {
  const OptimizerConfig config;
  const auto backend = make_cpu_backend<float>(1);
  Params<float> params(two_specs()), copied(two_specs());
  fill(params);
  fill(copied);
  OptimizerState<float> state = fresh_state(config, params), kept = fresh_state(config, copied);
  Optimizer<float> straight(config, params, state), first(config, copied, kept);
  fill_grads(params, 1);
  fill_grads(copied, 1);
  straight.update(*backend, params, 0.01, 1);
  first.update(*backend, copied, 0.01, 1);
  OptimizerState<float> moved = std::move(kept);
  Optimizer<float> second(config, copied, moved);
  fill_grads(params, 2);
  fill_grads(copied, 2);
  straight.update(*backend, params, 0.01, 1);
  second.update(*backend, copied, 0.01, 1);
  for (size_t i = 0; i < params.values().size(); ++i)
    EXPECT_EQ(params.values()[i], copied.values()[i]);
}

TEST(Optimizer, RefusesStateThatDoesNotFit) {
  const OptimizerConfig config;
  const Params<double> params(two_specs());
  OptimizerState<double> short_moments = fresh_state(config, params);
  short_moments.first = Buffer<double>(3, "test");
  EXPECT_THROW(Optimizer<double>(config, params, short_moments), Error);
  OptimizerState<double> gap = fresh_state(config, params);
  gap.regions[0] = {{{{0, 0}, {2, 4}}, 0}};
  try {
    Optimizer<double> optimizer(config, params, gap);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("w"), std::string::npos) << error.what();
  }
}

TEST(Optimizer, ClipScale) {
  EXPECT_EQ(clip_scale(4, 1), 0.25);
  EXPECT_EQ(clip_scale(0.5, 1), 1);
  EXPECT_EQ(clip_scale(1, 1), 1);
  EXPECT_EQ(clip_scale(1e9, 0), 1);  // off
}

}  // namespace
}  // namespace ortho
