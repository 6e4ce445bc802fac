// The dense maps beside this machine's limit: ms and GFLOP/s of forward, dx and dw over all axes of
// a layer (separate weights, batch innermost), and the float32 FMA rate measured in the same run.
//
//   OMP_NUM_THREADS=2 build/release/bench/dense
#include "tensor/cpu/dense.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "tensor/buffer.h"

namespace {

using namespace ortho;

double now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

struct Seconds {
  double median, least;
};

// Of `repeats` runs, after one that is not counted.
template <class Run>
Seconds seconds_of(int repeats, Run run) {
  run();
  std::vector<double> sec;
  for (int i = 0; i < repeats; ++i) {
    const double start = now();
    run();
    sec.push_back(now() - start);
  }
  std::sort(sec.begin(), sec.end());
  return {sec[sec.size() / 2], sec[0]};
}

// Twelve independent chains of FMAs in registers, with 512-bit vectors and with 256-bit ones. They start apart: equal
// chains are one chain to a compiler.
constexpr int kChains = 12;

__attribute__((target("arch=x86-64-v4"))) float wide_chains(std::int64_t steps) {
  typedef float Vector __attribute__((vector_size(64)));
  Vector sum[kChains] = {};
  for (int c = 0; c < kChains; ++c) sum[c] += static_cast<float>(c);
  const Vector factor = Vector{} + 0.5f, addend = Vector{} + 1.0f;
  for (std::int64_t i = 0; i < steps; ++i)
    for (Vector& v : sum) v = v * factor + addend;
  float total = 0;
  for (const Vector& v : sum) total += v[0] + v[1];
  return total;
}

__attribute__((target("arch=x86-64-v3"))) float narrow_chains(std::int64_t steps) {
  typedef float Vector __attribute__((vector_size(32)));
  Vector sum[kChains] = {};
  for (int c = 0; c < kChains; ++c) sum[c] += static_cast<float>(c);
  const Vector factor = Vector{} + 0.5f, addend = Vector{} + 1.0f;
  for (std::int64_t i = 0; i < steps; ++i)
    for (Vector& v : sum) v = v * factor + addend;
  float total = 0;
  for (const Vector& v : sum) total += v[0] + v[1];
  return total;
}

double fma_gflops() {
  constexpr std::int64_t kSteps = 20'000'000;
  const bool wide = __builtin_cpu_supports("x86-64-v4");
  float sink = 0;
  const Seconds sec = seconds_of(5, [&] {
#pragma omp parallel reduction(+ : sink)
    sink += wide ? wide_chains(kSteps) : narrow_chains(kSteps);
  });
  if (sink == 0) std::puts("");  // keeps the chains alive
  return static_cast<double>(kSteps) * kChains * (wide ? 16 : 8) * 2 * omp_get_max_threads() /
         sec.least * 1e-9;
}

Buffer<float> random_buffer(std::int64_t count, const char* name) {
  Buffer<float> buffer(count, name);
  const Random random(1, name);
  for (std::int64_t i = 0; i < count; ++i)
    buffer[i] = static_cast<float>(random.uniform(static_cast<std::uint64_t>(i))) - 0.5f;
  return buffer;
}

std::string name_of(const Shape& grid) { return text('[', grid[0], "]^", grid.size()); }

// `grid`: the token axes, then the channels; all of one size.
void measure(const Shape& grid, std::int64_t batch, double limit) {
  const Shape tokens(grid.begin(), grid.end() - 1);
  const std::int64_t nodes = elements(grid) * batch;
  const Buffer<float> x = random_buffer(nodes, "x"), dy = random_buffer(nodes, "dy");
  Buffer<float> y(nodes, "y"), dx(nodes, "dx");
  std::vector<DenseMap> maps;
  std::vector<Buffer<float>> w, dw;
  double flop = 0;
  for (size_t axis = 0; axis < grid.size(); ++axis) {
    maps.push_back({tokens, batch, grid.back(), Order::batch_inner, static_cast<int>(axis),
                    grid[axis], Weights::separate, Wiring::grid});
    const std::int64_t weights = elements(weight_shape(maps.back()));
    w.push_back(random_buffer(weights, "w"));
    dw.emplace_back(weights, "dw");
    flop += 2.0 * static_cast<double>(weights * batch);
  }
  const auto report = [&](const char* name, auto run) {
    const Seconds sec = seconds_of(15, [&] {
      for (size_t i = 0; i < maps.size(); ++i) run(i);
    });
    std::printf(
        "%-14s b%-3lld %-8s %8.2f ms (least %7.2f) %6.1f GFLOP/s (%6.1f) %5.1f %% (%.1f %%)\n",
        name_of(grid).c_str(), static_cast<long long>(batch), name, sec.median * 1e3,
        sec.least * 1e3, flop / sec.median * 1e-9, flop / sec.least * 1e-9,
        flop / sec.median * 1e-7 / limit, flop / sec.least * 1e-7 / limit);
  };
  report("forward", [&](size_t i) { cpu_dense(maps[i], x.data(), w[i].data(), y.data(), i > 0); });
  report("dx", [&](size_t i) { cpu_dense_dx(maps[i], dy.data(), w[i].data(), dx.data(), i > 0); });
  report("dw", [&](size_t i) { cpu_dense_dw(maps[i], x.data(), dy.data(), dw[i].data()); });
}

// A window of an axis against all of it, by the time of one token: the share of the taps that it
// has is the least it could take.
void measure_window(Wiring wiring, Weights weights, std::int64_t size, std::int64_t radius) {
  DenseMap map{{8, size}, 32, 64, Order::batch_inner, 1, size, weights, wiring};
  const std::int64_t nodes = input_nodes(map).elements();
  const Buffer<float> x = random_buffer(nodes, "x"), dy = random_buffer(nodes, "dy");
  const Buffer<float> w = random_buffer(elements(weight_shape(map)), "w");
  Buffer<float> y(nodes, "y"), dw(elements(weight_shape(map)), "dw");
  double all[3] = {};
  for (const std::int64_t reach : {std::int64_t{0}, radius}) {
    map.radius = reach;
    const double sec[] = {
        seconds_of(15, [&] { cpu_dense(map, x.data(), w.data(), y.data(), false); }).least,
        seconds_of(15, [&] { cpu_dense_dx(map, dy.data(), w.data(), y.data(), false); }).least,
        seconds_of(15, [&] { cpu_dense_dw(map, x.data(), dy.data(), dw.data()); }).least};
    if (reach == 0) std::copy(sec, sec + 3, all);
    if (reach == 0) continue;
    std::printf("s %lld radius %lld %-7s %-11s forward, dx, dw: %5.1f %5.1f %5.1f %% of all taps\n",
                static_cast<long long>(size), static_cast<long long>(radius),
                wiring == Wiring::grid ? "grid" : "causal",
                weights == Weights::shared ? "shared" : "per_channel", 100 * sec[0] / all[0],
                100 * sec[1] / all[1], 100 * sec[2] / all[2]);
  }
}

}  // namespace

int main() {
  const double limit = fma_gflops();
  std::printf("%d threads, float32 FMA %.1f GFLOP/s\n", omp_get_max_threads(), limit);
  measure({16, 16, 16, 16}, 64, limit);
  measure({32, 32, 32}, 64, limit);
  measure(Shape(16, 2), 64, limit);
  for (const Wiring wiring : {Wiring::grid, Wiring::causal})
    for (const Weights weights : {Weights::shared, Weights::per_channel})
      measure_window(wiring, weights, 64, 4);
}
