// What this machine's memory and arithmetic give to `threads` threads: the roofline of a bench.
#pragma once

#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "tensor/buffer.h"

namespace ortho {

inline double now_sec() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Of `repeats` runs, after one that is not counted.
template <class Run>
double least_sec(int repeats, Run run) {
  run();
  double least = 1e30;
  for (int i = 0; i < repeats; ++i) {
    const double start = now_sec();
    run();
    least = std::min(least, now_sec() - start);
  }
  return least;
}

// Independent chains of FMAs in registers. They start apart: equal chains are one to a compiler.
#define ORTHO_CHAINS(NAME, LEVEL, BYTES)                                         \
  __attribute__((target("arch=" LEVEL))) inline float NAME(std::int64_t steps) { \
    typedef float Vector __attribute__((vector_size(BYTES)));                    \
    Vector sum[12] = {};                                                         \
    for (int c = 0; c < 12; ++c) sum[c] += static_cast<float>(c);                \
    const Vector factor = Vector{} + 0.5f, addend = Vector{} + 1.0f;             \
    for (std::int64_t i = 0; i < steps; ++i)                                     \
      for (Vector & v : sum) v = v * factor + addend;                            \
    float total = 0;                                                             \
    for (const Vector& v : sum) total += v[0] + v[1];                            \
    return total;                                                                \
  }
ORTHO_CHAINS(fma_wide, "x86-64-v4", 64)
ORTHO_CHAINS(fma_narrow, "x86-64-v3", 32)
#undef ORTHO_CHAINS

struct Rates {
  double gflops, read, write, update;  // GB/s; update: bytes read and written
};

inline double measure_gflops() {
  constexpr std::int64_t kSteps = 4'000'000;
  const bool wide = __builtin_cpu_supports("x86-64-v4");
  volatile float sink = 0;
  const double sec = least_sec(9, [&] {
    float sum = 0;
#pragma omp parallel reduction(+ : sum)
    sum += wide ? fma_wide(kSteps) : fma_narrow(kSteps);
    sink = sum;
  });
  return kSteps * 12.0 * (wide ? 16 : 8) * 2 * omp_get_max_threads() / sec * 1e-9;
}

// act(first, count) of each thread's share of the array.
template <class Act>
void share(std::int64_t count, Act act) {
#pragma omp parallel
  {
    const std::int64_t part = count / omp_get_num_threads();
    act(omp_get_thread_num() * part, part);
  }
}

__attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4"))) inline float sum_of(
    const float* x, std::int64_t count) {
  typedef float Vector __attribute__((vector_size(64)));
  Vector sum[4] = {};
  for (std::int64_t i = 0; i + 64 <= count; i += 64)
    for (int v = 0; v < 4; ++v) sum[v] += *reinterpret_cast<const Vector*>(x + i + 16 * v);
  const Vector all = sum[0] + sum[1] + sum[2] + sum[3];
  return all[0] + all[7];
}

inline Rates measure_rates() {
  Rates rates{};
  rates.gflops = measure_gflops();
  Buffer<float> x(std::int64_t{1} << 26, "rates");
  const double gb = 4e-9 * static_cast<double>(x.size());
  volatile float sink = 0;
  rates.read = gb / least_sec(5, [&] {
                 share(x.size(), [&](std::int64_t first, std::int64_t count) {
                   sink = sum_of(x.data() + first, count);
                 });
               });
  rates.write = gb / least_sec(5, [&] {
                  share(x.size(), [&](std::int64_t first, std::int64_t count) {
                    std::fill_n(x.data() + first, count, 1.0f);
                  });
                });
  rates.update = 2 * gb / least_sec(5, [&] {
                   share(x.size(), [&](std::int64_t first, std::int64_t count) {
                     float* const from = x.data() + first;
                     for (std::int64_t i = 0; i < count; ++i) from[i] = from[i] * 0.5f + 1.0f;
                   });
                 });
  return rates;
}

// The processor of each thread and the load: "cpus 0 1, load 0.31".
inline std::string placement() {
  std::vector<int> cpus(static_cast<size_t>(omp_get_max_threads()));
#pragma omp parallel
  cpus[static_cast<size_t>(omp_get_thread_num())] = sched_getcpu();
  std::string line = "cpus";
  for (const int cpu : cpus) line += text(" ", cpu);
  double load = 0;
  getloadavg(&load, 1);
  return text(line, ", load ", load);
}

}  // namespace ortho
