// Tokens a second of generation token by token at several positions of a context of 65,536
// (docs/performance.md).
//
//   build/release/bench/generate [windows]
// One causal joint model of 16 axes of 2 and random weights; at each position the median over runs
// of tokens, taken in turn so that a busy machine slows all of them.
#include "trainer/generate.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "bench/random_text.h"
#include "trainer/token_chooser.h"

namespace ortho {
namespace {

constexpr std::int64_t kPositions[] = {64, 4096, 65536};
constexpr std::int64_t kRun = 32;  // tokens that are timed together: the last of them ends there
constexpr int kRuns = 15;

double now_sec() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  return x[x.size() / 2];
}

// A stream with its prompt behind it, and what it writes next.
struct Writer {
  Writer(const ModelSpec& spec, std::int64_t windows, Params<float>& params,
         Backend<float>& backend, std::int64_t position)
      : stream(spec, windows, params, backend, arena),
        chooser(spec, stream.head(), {}, std::nullopt, false),
        prompt(position - kRun) {
    for (std::int64_t w = 0; w < windows; ++w)
      slots.push_back({static_cast<std::int32_t>(w), w, 0});
  }

  // Tokens a second of a prompt's, which pass together.
  double read(const Batch& batch) {
    const double began = now_sec();
    stream.begin();
    stream.push(std::span(batch.input).first(static_cast<size_t>(prompt * batch.windows)));
    return static_cast<double>(prompt * batch.windows) / (now_sec() - began);
  }

  double write() {
    const double began = now_sec();
    for (std::int64_t n = 0; n < kRun; ++n) stream.push(chooser.choose(slots));
    return static_cast<double>(kRun * stream.windows()) / (now_sec() - began);
  }

  Arena<float> arena;
  Stream<float> stream;
  TokenChooser chooser;
  std::int64_t prompt;
  std::vector<Slot> slots;
};

void run(std::int64_t windows) {
  ModelSpec spec;
  spec.tokens = Shape(16, 2);
  spec.channels = spec.hidden = 64;
  spec.text_symbols = kBenchSymbols;
  const auto backend = make_cpu_backend<float>(1);
  Params<float> params(param_specs(spec));
  params.initialise(1);
  const Batch batch = random_text(spec, windows);
  std::vector<double> reading, writing[std::size(kPositions)];
  std::int64_t bytes = 0;
  for (int r = 0; r < kRuns; ++r)
    for (size_t i = 0; i < std::size(kPositions); ++i) {
      Writer writer(spec, windows, params, *backend, kPositions[i]);
      const double rate = writer.read(batch);
      if (i + 1 == std::size(kPositions)) reading.push_back(rate);
      writing[i].push_back(writer.write());
      bytes = writer.arena.bytes();
    }
  std::printf("[2]x16, C 64, E 64, %lld blocks, %lld windows; %.1f MB beside the weights\n",
              static_cast<long long>(spec.blocks), static_cast<long long>(windows),
              static_cast<double>(bytes) * 1e-6);
  std::printf("prompt of %lld tokens: %.0f tokens/s\n",
              static_cast<long long>(kPositions[2] - kRun), median(reading));
  for (size_t i = 0; i < std::size(kPositions); ++i)
    std::printf("position %6lld: %.0f tokens/s, %.2f of the fastest\n",
                static_cast<long long>(kPositions[i]), median(writing[i]),
                median(writing[i]) /
                    std::max({median(writing[0]), median(writing[1]), median(writing[2])}));
}

}  // namespace
}  // namespace ortho

int main(int argc, char** argv) {
  ortho::run(argc > 1 ? std::atoi(argv[1]) : 1);
  return 0;
}
