// Tokens a second of generation token by token at several positions of a context of 65,536
// (docs/performance.md).
//
//   build/release/bench/generate [windows]
// One causal joint model of 16 axes of 2 and random weights; at each position the median over runs
// of tokens, taken in turn so that a busy machine slows all of them.
#include "trainer/generate.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "bench/random_text.h"
#include "trainer/token_chooser.h"

namespace ortho {
namespace {

constexpr std::int64_t kPositions[] = {64, 4096, 65536};
constexpr std::int64_t kRun = 32;  // tokens that are timed together: the last of them ends there
constexpr int kRuns = 15;

// Of this one thread: other programs on the machine cost it little.
double cpu_sec() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

double median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  return x[x.size() / 2];
}

struct Rates {
  std::vector<double> reading, writing;  // tokens a second of all windows
};

// Reads a prompt of tokens that pass together, then writes kRun tokens.
void time_position(Stream<float>& stream, const TokenChooser& chooser, const Batch& batch,
                   std::int64_t position, Rates& rates) {
  const std::int64_t prompt = (position - kRun) * batch.windows;
  std::vector<Slot> slots;
  for (std::int64_t w = 0; w < batch.windows; ++w)
    slots.push_back({static_cast<std::int32_t>(w), w, 0});
  const double began = cpu_sec();
  stream.begin();
  stream.push(std::span(batch.input).first(static_cast<size_t>(prompt)));
  const double read = cpu_sec();
  for (std::int64_t n = 0; n < kRun; ++n) stream.push(chooser.choose(slots));
  rates.reading.push_back(static_cast<double>(prompt) / (read - began));
  rates.writing.push_back(static_cast<double>(kRun * batch.windows) / (cpu_sec() - read));
}

void run(std::int64_t windows) {
  ModelSpec spec;
  spec.tokens = Shape(16, 2);
  spec.channels = spec.hidden = 64;
  spec.text_symbols = kBenchSymbols;
  const auto backend = make_cpu_backend<float>(1);
  Params<float> params(param_specs(spec));
  params.initialise(1);
  const Batch batch = random_text(spec, windows);
  Arena<float> arena;
  Stream<float> stream(spec, windows, params, *backend, arena);
  const GenerateRule rule;
  const TokenChooser chooser(spec, stream.head(), rule);
  Rates rates[std::size(kPositions)], first;
  time_position(stream, chooser, batch, context(spec), first);  // touches all memory
  for (int r = 0; r < kRuns; ++r)
    for (size_t i = 0; i < std::size(kPositions); ++i)
      time_position(stream, chooser, batch, kPositions[i], rates[i]);
  std::printf("[2]x16, C 64, E 64, %lld blocks, %lld windows; %.1f MB beside the weights\n",
              static_cast<long long>(spec.blocks), static_cast<long long>(windows),
              static_cast<double>(arena.bytes()) * 1e-6);
  for (size_t i = 0; i < std::size(kPositions); ++i)
    std::printf("position %6lld: %6.0f tokens a CPU second; its prompt %6.0f\n",
                static_cast<long long>(kPositions[i]), median(rates[i].writing),
                median(rates[i].reading));
}

}  // namespace
}  // namespace ortho

int main(int argc, char** argv) {
  ortho::run(argc > 1 ? std::atoi(argv[1]) : 1);
  return 0;
}
