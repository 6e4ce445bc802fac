#include "launch/rate.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "core/random.h"
#include "model/model.h"
#include "tensor/backend.h"
#include "trainer/optimizer.h"

namespace ortho {
namespace {

constexpr std::int64_t kProbeElements = std::int64_t{1} << 20;  // of one activation: 4 MiB
constexpr std::int64_t kProbeWeights = std::int64_t{1} << 26;   // 256 MiB, and as many gradients
constexpr std::int64_t kUpdateWeights = std::int64_t{1} << 23;  // beyond every cache

void fill(std::span<float> values) {
  const Random random(1, "rate");
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(0.1 * random.normal(i % 4096));
}

// Tokens of all modalities in turn, each to be predicted.
Batch probe_batch(const Probe& probe) {
  Batch batch;
  batch.tokens = context(probe.spec);
  batch.windows = probe.windows;
  for (std::int64_t i = 0; i < batch.tokens * batch.windows; ++i) {
    const auto at = static_cast<size_t>(i) % probe.spec.modalities.size();
    const Modality modality = probe.spec.modalities[at];
    Token token;
    token.modality = static_cast<std::int32_t>(modality);
    token.symbol.fill(static_cast<std::int32_t>(i % symbol_count(probe.spec, modality)));
    batch.input.push_back(token);
    batch.target.push_back({1, token.modality, token.symbol});
  }
  return batch;
}

// Forward and backward of the probe: the whole of it, and its one block alone.
struct ProbeSec {
  double model = 0, block = 0;
};

ProbeSec measure_probe(const Probe& probe, Backend<float>& backend, double seconds) {
  Params<float> params(param_specs(probe.spec));
  params.initialise(1);
  Arena<float> arena;
  Model<float> model(probe.spec, probe.windows, params, backend, arena);
  const Nodes nodes = model.nodes();
  const Sharding sharding(probe.spec, probe.windows);
  Moves<float> moves(sharding, nullptr, arena);
  Stack<float> stack({probe.spec, sharding, params, backend, arena, moves});
  Buffer<float> input(nodes.elements(), "rate probe"), gradient(nodes.elements(), "rate probe");
  fill(input.span());
  const Batch batch = probe_batch(probe);
  ProbeSec sec;
  sec.model = median_sec(
      seconds / 2, [&] { model.train(batch, {}, static_cast<double>(batch.target.size()), {}); });
  sec.block = median_sec(seconds / 2, [&] {
    backend.copy(nodes.elements(), input.data(), stack.input());
    backend.copy(nodes.elements(), input.data(), gradient.data());
    stack.forward({});
    stack.backward({}, gradient.data());
  });
  return sec;
}

// Seconds of one weight's zeroed gradient, norm and update.
double measure_update(std::int64_t weights, const OptimizerConfig& config, Backend<float>& backend,
                      double seconds) {
  const std::int64_t count = std::min(weights, kUpdateWeights);
  Params<float> params({{"probe", {{DimKind::channel, count}}, Role::map, {}, true}});
  OptimizerState<float> state = fresh_state(config, params);
  Optimizer<float> optimizer(config, params, state);
  const double sec = median_sec(seconds, [&] {
    params.zero_grads();
    backend.sum_squares(count, params.grads().data());
    optimizer.update(backend, params, 1e-3, 1);
  });
  return sec / static_cast<double>(count);
}

}  // namespace

double median_sec(double seconds, const std::function<void()>& act) {
  using Clock = std::chrono::steady_clock;
  act();
  std::vector<double> calls;
  const auto began = Clock::now();
  for (auto now = began; std::chrono::duration<double>(now - began).count() < seconds;) {
    act();
    const auto then = std::exchange(now, Clock::now());
    calls.push_back(std::chrono::duration<double>(now - then).count());
  }
  const auto middle = calls.begin() + static_cast<std::ptrdiff_t>(calls.size() / 2);
  std::nth_element(calls.begin(), middle, calls.end());
  return *middle;
}

Probe probe_of(const ModelSpec& spec, std::int64_t windows) {
  Probe probe{spec, windows};
  probe.spec.blocks = probe.spec.refeeds = 1;
  const std::int64_t widest = std::max({spec.channels, gated_width(spec), spec.width});
  const std::int64_t rows = std::max<std::int64_t>(1, kProbeElements / widest);
  const auto too_large = [&] {
    return context(probe.spec) > rows || (spec.weights == Weights::separate &&
                                          count_weights(param_specs(probe.spec)) > kProbeWeights);
  };
  for (std::int64_t& size : probe.spec.tokens)
    while (size > 1 && too_large()) size /= 2;
  probe.windows = std::clamp<std::int64_t>(rows / context(probe.spec), 1, windows);
  return probe;
}

Rate measure_rate(const StageCost& cost, const ModelSpec& spec, const OptimizerConfig& optimizer,
                  std::int64_t threads, double seconds) {
  const auto backend = make_cpu_backend<float>(static_cast<int>(threads));
  const Probe probe = probe_of(spec, cost.rank.model_windows);
  const ProbeSec sec = measure_probe(probe, *backend, seconds * 2 / 3);
  const double rows = static_cast<double>(cost.context) * static_cast<double>(cost.rank.windows);
  const double probe_rows = static_cast<double>(context(probe.spec) * probe.windows);
  const auto passes = static_cast<double>(spec.blocks * spec.refeeds);
  const double model_sec = rows / probe_rows * (sec.model + (passes - 1) * sec.block);
  Rate rate;
  rate.flops_per_sec = 6 * cost.macs.executed * rows / model_sec;
  rate.update_sec = static_cast<double>(cost.rank.own_weights) *
                    measure_update(cost.rank.own_weights, optimizer, *backend, seconds / 3);
  return rate;
}

}  // namespace ortho
