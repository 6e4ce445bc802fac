#include "launch/rate.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "core/random.h"
#include "model/stack.h"
#include "tensor/backend.h"
#include "trainer/optimizer.h"

namespace ortho {
namespace {

constexpr std::int64_t kProbeElements = std::int64_t{1} << 22;  // of one activation: 16 MiB
constexpr std::int64_t kUpdateWeights = std::int64_t{1} << 23;  // beyond every cache

// Mean seconds of `act`, called for about `seconds` after one call that warms the caches.
double mean_sec(double seconds, const std::function<void()>& act) {
  using Clock = std::chrono::steady_clock;
  act();
  const auto began = Clock::now();
  double passed = 0;
  std::int64_t calls = 0;
  while (passed < seconds) {
    act();
    ++calls;
    passed = std::chrono::duration<double>(Clock::now() - began).count();
  }
  return passed / static_cast<double>(calls);
}

void fill(std::span<float> values) {
  const Random random(1, "rate");
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(0.1 * random.normal(i % 4096));
}

double block_flops(const Probe& probe) {
  ModelSpec two = probe.spec;
  two.blocks = 2;  // the difference is a block without the ends
  const double macs = forward_macs(two).executed - forward_macs(probe.spec).executed;
  return 6 * macs * static_cast<double>(context(probe.spec) * probe.windows);
}

double measure_block(const Probe& probe, Backend<float>& backend, double seconds) {
  Params<float> params(param_specs(probe.spec));
  params.initialise(1);
  const Nodes nodes = {context(probe.spec), probe.windows, probe.spec.channels,
                       tensor_order(probe.spec)};
  Arena<float> arena;
  Stack<float> stack(probe.spec, nodes, params, backend, arena);
  Buffer<float> input(nodes.elements(), "rate probe"), gradient(nodes.elements(), "rate probe");
  fill(input.span());
  const double sec = mean_sec(seconds, [&] {
    backend.copy(nodes.elements(), input.data(), stack.input());
    backend.copy(nodes.elements(), input.data(), gradient.data());
    stack.forward({});
    stack.backward({}, gradient.data());
  });
  return block_flops(probe) / sec;
}

// Seconds of one weight's zeroed gradient, share of the norm, and update.
double measure_update(std::int64_t weights, const OptimizerConfig& config, Backend<float>& backend,
                      double seconds) {
  const std::int64_t count = std::min(weights, kUpdateWeights);
  Params<float> params({{"probe", {{DimKind::channel, count}}, Role::map, {}, true}});
  OptimizerState<float> state = fresh_state(config, params);
  Optimizer<float> optimizer(config, params, state);
  const double sec = mean_sec(seconds, [&] {
    params.zero_grads();
    const double squares = backend.sum_squares(count, params.grads().data());
    optimizer.update(backend, params, 1e-3, clip_scale(squares, config.clip));
  });
  return sec / static_cast<double>(count);
}

}  // namespace

Probe probe_of(const ModelSpec& spec, std::int64_t windows) {
  Probe probe{spec, windows};
  probe.spec.blocks = probe.spec.refeeds = 1;
  probe.spec.modalities = {Modality::text};
  probe.spec.text_symbols = 1;
  probe.spec.places = {};
  probe.spec.items = 0;
  const std::int64_t widest = std::max(spec.channels, gated_width(spec));
  const std::int64_t rows = std::max<std::int64_t>(1, kProbeElements / widest);
  for (std::int64_t& size : probe.spec.tokens) {
    const std::int64_t now = context(probe.spec);
    if (now > rows) size = std::max<std::int64_t>(1, rows / (now / size));
  }
  probe.windows = std::clamp<std::int64_t>(rows / context(probe.spec), 1, windows);
  return probe;
}

Rate measure_rate(const StageCost& cost, const ModelSpec& spec, const OptimizerConfig& optimizer,
                  std::int64_t threads, double seconds) {
  const auto backend = make_cpu_backend<float>(static_cast<int>(threads));
  Rate rate;
  rate.flops_per_sec = measure_block(probe_of(spec, cost.windows), *backend, seconds * 2 / 3);
  rate.update_sec = static_cast<double>(cost.weights) *
                    measure_update(cost.weights, optimizer, *backend, seconds / 3);
  return rate;
}

}  // namespace ortho
