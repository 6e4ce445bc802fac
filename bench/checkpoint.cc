// Saving and loading a sharded checkpoint: on the mesh that wrote it, and on another one
// (docs/performance.md).
//
//   mpirun -np 2 build/release/bench/checkpoint [folder] [blocks]
// A dense model of separate maps, 18 MiB of weights and moments a block, whose maps the ranks cut
// along the first line axis, along the second, or not at all. Prints the slowest rank's time, least
// of some runs; the files are in the page cache. The aim: another mesh at most 1.3 times as long.
#include "trainer/checkpoint.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "comm/mpi.h"
#include "dataio/box_file.h"

namespace ortho {
namespace {

constexpr int kRuns = 5;

double now_sec() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// The least time over the runs of `act` on the slowest rank.
template <class Act>
double least_sec(Channel& channel, Act act) {
  double least = 1e9;
  for (int run = 0; run < kRuns; ++run) {
    channel.barrier();
    const double began = now_sec();
    act();
    const auto nanoseconds = static_cast<std::int64_t>(1e9 * (now_sec() - began));
    least = std::min(least, 1e-9 * static_cast<double>(channel.max(nanoseconds)));
  }
  return least;
}

ModelSpec bench_model(std::int64_t blocks) {
  ModelSpec spec;
  spec.map = MapKind::dense;
  spec.weights = Weights::separate;
  spec.wiring = Wiring::grid;
  spec.tokens = {32, 32};
  spec.channels = spec.hidden = 16;
  spec.blocks = blocks;
  spec.in = spec.out = spec.gate = false;
  spec.text_symbols = 64;
  return spec;
}

// Every map cut along its line dimension number `line`; with -1 all ranks hold all.
RunState bench_state(const ModelSpec& spec, const Channel& channel, int line) {
  RunState state(spec);
  const std::vector<ParamSpec> specs = param_specs(spec);
  std::vector<Layout> layouts;
  for (const ParamSpec& param : specs) {
    const bool cut = line >= 0 && param.role == Role::map;
    layouts.emplace_back(Mesh({{"ranks", channel.ranks()}}),
                         std::vector<int>{cut ? line : kReplicates});
  }
  state.params = Params<float>(specs, layouts, channel.rank());
  state.params.initialise(1);
  state.optimizer = fresh_state(OptimizerConfig{}, state.params);
  return state;
}

// The other way to get values that all ranks hold: each reads its own, then all hand theirs round.
void read_own_and_share(Channel& channel, const std::string& path, RunState& state) {
  const BoxFileReader file(checkpoint_files(path));
  for (const Param<float>& param : state.params.all()) {
    const Range own = state.params.own(param);
    float* next = param.value + own.lo;
    for (const Box& box : boxes_of(param.box, own)) {
      file.read("weight/" + param.spec.name, box, next);
      next += elements(box);
    }
  }
  const ParamGroup& group = state.params.groups().front();
  for (int rank = 0; rank < channel.ranks(); ++rank) {
    const Range part = split(group.arena.size(), channel.ranks(), rank);
    channel.broadcast(std::as_writable_bytes(state.params.values().subspan(
                          static_cast<size_t>(part.lo), static_cast<size_t>(part.size()))),
                      rank);
  }
}

void read_all(const std::string& path, RunState& state) {
  const BoxFileReader file(checkpoint_files(path));
  for (const Param<float>& param : state.params.all())
    file.read("weight/" + param.spec.name, param.box, param.value);
}

void compare(Channel& channel, const std::string& folder, std::int64_t blocks) {
  const ModelSpec spec = bench_model(blocks);
  const GrowPlan same = plan_growth(spec, spec);
  const char* names[] = {"not cut", "first line", "second line"};
  const auto say = [&](const std::string& what, double seconds, double against) {
    if (channel.rank() == 0)
      std::printf("%-36s %8.3f s   %5.2f\n", what.c_str(), seconds, seconds / against);
  };
  if (channel.rank() == 0)
    std::printf("%d ranks, %.0f MB\n", channel.ranks(),
                12e-6 * static_cast<double>(count_weights(param_specs(spec))));
  for (int written = -1; written < 2; ++written) {
    RunState state = bench_state(spec, channel, written);
    const double saved =
        least_sec(channel, [&] { save_checkpoint(channel, folder, state, RunConfig{}, 1); });
    const auto load = [&](int line) {
      RunState loaded = bench_state(spec, channel, line);
      return least_sec(channel, [&] { load_weights(state.saved, same, 0, loaded); });
    };
    const double again = load(written);
    say(text("saved, ", names[written + 1]), saved, again);
    say(text("  loaded the same"), again, again);
    for (int line = -1; line < 2; ++line)
      if (line != written) say(text("  loaded, ", names[line + 1]), load(line), again);
    if (written >= 0) continue;
    const double all = least_sec(channel, [&] { read_all(state.saved, state); });
    say("  weights alone: all of them read", all, all);
    say("  weights alone: a share, then shared",
        least_sec(channel, [&] { read_own_and_share(channel, state.saved, state); }), all);
  }
}

}  // namespace
}  // namespace ortho

int main(int argc, char** argv) {
  const ortho::MpiSession session;
  const auto channel = ortho::make_world_channel();
  const std::string folder = argc > 1 ? argv[1] : "/tmp/ortho-bench-checkpoint";
  ortho::compare(*channel, folder, argc > 2 ? std::atoi(argv[2]) : 11);
  channel->barrier();
  if (channel->rank() == 0) std::filesystem::remove_all(folder);
  return 0;
}
