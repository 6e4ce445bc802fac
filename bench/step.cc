// The default recipe's training step against the GEMM rate
// of this core, interleaved in one run (docs/performance.md).
//
//   build/release/bench/step [steps [density]]
// Prints medians: ms a step, GFLOP/s by executed multiply-adds, and its
// share of oneDNN's rate on a large square and on the step's own shapes.
#include "trainer/step.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "bench/random_text.h"
#include "comm/local.h"
#include "model/model.h"
#include "trainer/optimizer.h"

namespace ortho {
namespace {

double now_sec() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  return x[x.size() / 2];
}

// GFLOP/s of C = A * B over about 50 ms.
double gemm_rate(Backend<float>& backend, std::int64_t m, std::int64_t n, std::int64_t k) {
  Buffer<float> a(m * k, "bench"), b(k * n, "bench"), c(m * n, "bench");
  std::fill_n(a.data(), a.size(), 0.5f);
  std::fill_n(b.data(), b.size(), 0.25f);
  const double flops =
      2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  double spent = 0;
  std::int64_t calls = 0;
  for (const double began = now_sec(); spent < 0.05; spent = now_sec() - began, ++calls)
    backend.gemm(Transpose::no, Transpose::no, m, n, k, a.data(), k, b.data(), n, c.data(), n,
                 false);
  return flops * static_cast<double>(calls) / spent * 1e-9;
}

void run(int steps, double density) {
  ModelSpec spec;
  spec.tokens = {2, 2, 2, 2, 2, 2};
  spec.text_symbols = kBenchSymbols;
  spec.density = density;
  const std::int64_t windows = 12;
  const auto backend = make_cpu_backend<float>(1);
  Params<float> params(param_specs(spec));
  params.initialise(1);
  Arena<float> arena;
  Model<float> model(spec, windows, params, *backend, arena);
  const OptimizerConfig config;
  OptimizerState<float> state = fresh_state(config, params);
  Optimizer<float> optimizer(config, params, state);
  const Batch batch = random_text(spec, windows);
  const auto channel = make_single_channel();
  Replicas<float> replicas(*channel, params);
  StepRule rule;
  rule.rate = 1e-4;
  rule.clip = 1;
  std::vector<double> step_sec, square, own;
  for (int i = 0; i < steps; ++i) {
    const double began = now_sec();
    train_step({*channel, *backend, model, params, replicas, optimizer}, batch, rule);
    step_sec.push_back(now_sec() - began);
    if (i % 10 != 0) continue;
    square.push_back(gemm_rate(*backend, 1024, 1024, 1024));
    own.push_back(gemm_rate(*backend, 768, 224, 128));
  }
  const double flops =
      6 * forward_macs(spec).executed * static_cast<double>(context(spec) * windows);
  const double sec = median(step_sec), rate = flops / sec * 1e-9, peak = median(square);
  std::printf("step %.2f ms, %.1f GFLOP/s; GEMM 1024^3 %.1f, 768x224x128 %.1f GFLOP/s\n", sec * 1e3,
              rate, peak, median(own));
  std::printf("share of the GEMM rate: %.0f %% of 1024^3; 2,000 steps: %.1f s\n", 100 * rate / peak,
              2000 * sec);
}

}  // namespace
}  // namespace ortho

int main(int argc, char** argv) {
  ortho::run(argc > 1 ? std::atoi(argv[1]) : 200, argc > 2 ? std::atof(argv[2]) : 1);
  return 0;
}
