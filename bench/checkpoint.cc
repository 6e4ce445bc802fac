// Saving and loading a sharded checkpoint: on the mesh that wrote it, and on another one
// (docs/performance.md).
//
//   mpirun -np 2 build/release/bench/checkpoint [folder] [blocks]
// A dense model of separate maps, 16 MB of weights and moments a block, whose maps the ranks cut
// along the first line axis, along the second, or not at all. Prints the slowest rank's time and CPU
// time, each the least of some runs, since others may use the machine; the files are in the page
// cache, so loading is work of the CPU. The aim: another mesh at most 1.3 times as long.
#include "trainer/checkpoint.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <functional>

#include "comm/mpi.h"
#include "core/error.h"
#include "core/file.h"
#include "dataio/box_file.h"
#include "trainer/checkpoint_writer.h"

namespace ortho {
namespace {

double now_sec() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double cpu_sec() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

using Seconds = std::array<double, 2>;  // by the clock, and of the CPU

// Of `act` on the slowest rank.
Seconds slowest_sec(Channel& channel, const std::function<void()>& act) {
  channel.barrier();
  const double began = now_sec(), cpu_began = cpu_sec();
  act();
  Seconds seconds = {now_sec() - began, cpu_sec() - cpu_began};
  for (double& one : seconds)
    one = 1e-9 * static_cast<double>(channel.max(static_cast<std::int64_t>(1e9 * one)));
  return seconds;
}

struct Line {
  std::string what;
  std::function<void()> act;
  Seconds least = {1e9, 1e9};
};

// Runs all of them in turn, again and again, so that what else the machine does meets all alike;
// prints the least times, and as shares of the first.
void compare(Channel& channel, std::vector<Line> lines, int runs) {
  for (int run = 0; run < runs; ++run)
    for (Line& line : lines) {
      const Seconds seconds = slowest_sec(channel, line.act);
      for (size_t i = 0; i < seconds.size(); ++i)
        line.least[i] = std::min(line.least[i], seconds[i]);
    }
  if (channel.rank() != 0) return;
  for (const Line& line : lines)
    std::printf("%-40s %8.3f s %6.2f   CPU %8.3f s %6.2f\n", line.what.c_str(), line.least[0],
                line.least[0] / lines.front().least[0], line.least[1],
                line.least[1] / lines.front().least[1]);
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

// As many bytes as the state's, by write(2) of 1 MiB each and fsync: what dd conv=fsync does.
void write_plainly(const std::string& path, std::int64_t bytes) {
  const std::vector<char> block(std::size_t{1} << 20, 'x');
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  ASSERT(file >= 0, system_error());
  for (std::int64_t done = 0; done < bytes; done += static_cast<std::int64_t>(block.size()))
    ASSERT(::write(file, block.data(), block.size()) == static_cast<ssize_t>(block.size()),
           system_error());
  ASSERT(::fsync(file) == 0 && ::close(file) == 0, system_error());
}

// What saving behind the training takes from the training, and how fast the file is there.
void run_behind(Channel& channel, const std::string& folder, std::int64_t blocks) {
  make_folder(folder);
  RunState state = bench_state(bench_model(blocks), channel, 0);
  CheckpointConfig rule;
  rule.keep = 1;
  CheckpointWriter writer(channel, folder + "/behind", rule);
  writer.make_room(state);
  const std::int64_t bytes = shadow_elements(state) * std::int64_t{sizeof(float)};
  Buffer<float> from(shadow_elements(state), "memory to copy"), to(from.size(), "its copy");
  Seconds copy = {1e9, 1e9}, stall = copy, save = copy, plain = copy;
  const std::string file = text(folder, "/plain-", channel.rank());
  const auto least = [&](Seconds& seconds, const std::function<void()>& act) {
    seconds = std::min(seconds, slowest_sec(channel, act));
  };
  for (int run = 0; run < 5; ++run) {
    least(copy, [&] { std::memcpy(to.data(), from.data(), static_cast<std::size_t>(bytes)); });
    least(plain, [&] { write_plainly(file, bytes); });
    std::filesystem::remove(file);
    state.step = run;
    const double began = now_sec();
    least(stall, [&] { writer.begin(state, RunConfig{}); });
    writer.finish();
    save = std::min(save, {now_sec() - began, 0});
  }
  if (channel.rank() != 0) return;
  const double all = static_cast<double>(bytes * channel.ranks());
  std::printf("behind the training, %.0f MB a rank: copy %.1f ms, stall %.1f ms\n",
              1e-6 * static_cast<double>(bytes), 1e3 * copy[0], 1e3 * stall[0]);
  std::printf(
      "written, read back, MANIFEST: %.3f s, %.0f MB/s; write(2) and fsync: %.3f s, %.0f "
      "MB/s; share %.2f\n",
      save[0], 1e-6 * all / save[0], plain[0], 1e-6 * all / plain[0], plain[0] / save[0]);
}

void run(Channel& channel, const std::string& folder, std::int64_t blocks) {
  const ModelSpec spec = bench_model(blocks);
  const GrowPlan same = plan_growth(spec, spec);
  const char* names[] = {"not cut", "first line cut", "second line cut"};
  if (channel.rank() == 0)
    std::printf("%d ranks, %.0f MB\n", channel.ranks(),
                12e-6 * static_cast<double>(count_weights(param_specs(spec))));
  for (const int written : {0, 1, 2}) {
    RunState state = bench_state(spec, channel, written - 1);
    compare(channel,
            {{text("saved, ", names[written]),
              [&] { save_checkpoint(channel, folder, state, RunConfig{}, 1); }}},
            3);
    std::vector<RunState> loaded;
    std::vector<Line> lines;
    for (const int read : {written, (written + 1) % 3, (written + 2) % 3}) {
      loaded.push_back(bench_state(spec, channel, read - 1));
      lines.push_back({text("  loaded, ", names[read]), [&, at = loaded.size() - 1] {
                         load_weights(state.saved, same, 0, loaded[at]);
                       }});
    }
    compare(channel, lines, 15);
    if (written > 0) continue;
    compare(channel,
            {{"  weights: each rank reads all", [&] { read_all(state.saved, state); }},
             {"  weights: reads a share, sends it round",
              [&] { read_own_and_share(channel, state.saved, state); }}},
            15);
  }
}

}  // namespace
}  // namespace ortho

int main(int argc, char** argv) {
  const ortho::MpiSession session;
  const auto channel = ortho::make_world_channel();
  const std::string folder = argc > 1 ? argv[1] : "/tmp/ortho-bench-checkpoint";
  const int blocks = argc > 2 ? std::atoi(argv[2]) : 11;
  ortho::run_behind(*channel, folder, blocks);
  ortho::run(*channel, folder, blocks);
  channel->barrier();
  if (channel->rank() == 0) std::filesystem::remove_all(folder);
  return 0;
}
