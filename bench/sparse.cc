// Channel maps that skip closed connections beside those that do not: ms of forward, dx and dw with
// the shapes of a joint block's taps, at several densities. tensor/cpu/break_even.h follows from it.
//
//   OMP_NUM_THREADS=1 build/release/bench/sparse
// Dense and skipping runs in turn; least of all repeats.
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "tensor/backend.h"
#include "tensor/buffer.h"

namespace {

using namespace ortho;

double now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

Buffer<float> random_buffer(std::int64_t count, const char* name, double density = 1) {
  Buffer<float> buffer(count, name);
  const Random random(1, name), open(2, name);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<std::uint64_t>(i);
    buffer[i] = open.uniform(at) < density ? static_cast<float>(random.uniform(at)) - 0.5f : 0.0f;
  }
  return buffer;
}

// Least ms of each of the runs, in turn.
std::vector<double> least_ms(int repeats, const std::vector<std::function<void()>>& runs) {
  std::vector<double> least(runs.size(), 1e30);
  for (int repeat = 0; repeat <= repeats; ++repeat)
    for (size_t i = 0; i < runs.size(); ++i) {
      const double start = now();
      runs[i]();
      if (repeat > 0) least[i] = std::min(least[i], (now() - start) * 1e3);
    }
  return least;
}

void print(const std::string& name, double density, const std::vector<double>& ms) {
  std::printf("%-22s %5.2f", name.c_str(), density);
  const char* kWhat[] = {"forward", "dx", "dw"};
  for (size_t i = 0; i < 3; ++i)
    std::printf("  %s %7.3f / %7.3f = %4.2f", kWhat[i], ms[2 * i + 1], ms[2 * i],
                ms[2 * i + 1] / ms[2 * i]);
  std::printf("\n");
}

void channel_map(Backend<float>& backend, std::int64_t rows, std::int64_t in, std::int64_t out,
                 double density) {
  const Nodes nodes{rows, 1, in, Order::channels_inner};
  const Buffer<float> x = random_buffer(rows * in, "x"), dy = random_buffer(rows * out, "dy");
  const Buffer<float> w = random_buffer(in * out, "w", density);
  Buffer<float> y(rows * out, "y"), dx(rows * in, "dx"), dw(in * out, "dw");
  Buffer<float> values(in * out, "values");
  Buffer<std::int32_t> inputs(in * out + std::max(in, out) + 1, "inputs");
  const OpenRoom<float> room{1e-9, values.data(), inputs.data()};
  const std::vector<std::function<void()>> runs = {
      [&] { backend.channel_map(nodes, out, x.data(), w.data(), y.data(), false); },
      [&] { backend.open_channel_map(nodes, out, room, x.data(), w.data(), y.data(), false); },
      [&] { backend.channel_map_dx(nodes, out, dy.data(), w.data(), dx.data(), false); },
      [&] { backend.open_channel_map_dx(nodes, out, room, dy.data(), w.data(), dx.data(), false); },
      [&] { backend.channel_map_dw(nodes, out, x.data(), dy.data(), dw.data()); },
      [&] {
        backend.open_channel_map_dw(nodes, out, room, x.data(), dy.data(), w.data(), dw.data());
      }};
  print(text("joint ", rows, " x ", in, " x ", out), density, least_ms(60, runs));
}

}  // namespace

int main() {
  const auto backend = make_cpu_backend<float>(omp_get_max_threads());
  std::printf("%d threads; ms skipping / dense = ratio\n", omp_get_max_threads());
  for (const double density : {0.75, 0.5, 0.25, 0.1}) {
    channel_map(*backend, 768, 128, 224, density);
    channel_map(*backend, 768, 128, 128, density);
  }
}
