#include "launch/probe.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <map>
#include <set>
#include <vector>

#include "comm/exchange.h"
#include "core/error.h"
#include "core/handle.h"
#include "core/process.h"
#include "launch/rate.h"
#include "tensor/backend.h"
#include "tensor/buffer.h"
#include "trainer/optimizer.h"

namespace ortho {
namespace {

constexpr std::int64_t kProduct = 768;                     // rows, columns and depth
constexpr std::int64_t kUpdated = std::int64_t{1} << 22;   // weights: 64 MiB with moments
constexpr std::int64_t kShort = 256, kLong = 256 << 10;    // floats of a message
constexpr std::int64_t kWritten = std::int64_t{64} << 20;  // bytes a rank
constexpr double kUpdateBytes = 28;                        // of a weight: 4 read, 3 written

// The largest of all ranks. Doubles from 0 on are ordered as their bits are.
double slowest(Channel& world, double seconds) {
  return std::bit_cast<double>(world.max(std::bit_cast<std::int64_t>(std::max(seconds, 0.0))));
}

double product_flops(Channel& world, std::int64_t threads, double seconds) {
  const auto backend = make_cpu_backend<float>(static_cast<int>(threads));
  const std::int64_t n = kProduct;
  Buffer<float> a(n * n, "probe"), b(n * n, "probe"), c(n * n, "probe");
  std::fill(a.span().begin(), a.span().end(), 0.5F);
  std::fill(b.span().begin(), b.span().end(), 0.25F);
  world.barrier();
  const double sec = median_sec(seconds, [&] {
    backend->gemm(Transpose::no, Transpose::no, n, n, n, a.data(), n, b.data(), n, c.data(), n,
                  false);
  });
  return 2 * static_cast<double>(n * n * n) / slowest(world, sec);
}

double memory_bandwidth(Channel& world, std::int64_t threads, double seconds) {
  const auto backend = make_cpu_backend<float>(static_cast<int>(threads));
  Buffer<float> gradient(kUpdated, "probe"), weight(kUpdated, "probe"), first(kUpdated, "probe"),
      second(kUpdated, "probe");
  world.barrier();
  const double sec = median_sec(seconds, [&] {
    backend->adamw(AdamwStep{}, kUpdated, gradient.data(), weight.data(), first.data(),
                   second.data());
  });
  return kUpdateBytes * static_cast<double>(kUpdated) / slowest(world, sec);
}

// Seconds of an exchange in which each rank of `group` sends `floats` to each other.
double exchange_sec(Channel& group, std::int64_t floats, double seconds) {
  const std::int64_t ranks = group.ranks();
  const Mesh mesh({{"probe", group.ranks()}});
  const Shape shape = {ranks, ranks, floats};
  const Plan plan =
      plan_exchange(shape, Layout(mesh, {0}), Layout(mesh, {1}), group.rank(), sizeof(float));
  Exchange<float> exchange(plan, group, "probe of the links");
  const auto room = group.share(plan.workspace() * std::int64_t{sizeof(float)});
  Buffer<float> from(ranks * floats, "probe"), into(ranks * floats, "probe");
  const auto bytes = room->bytes();
  const std::span<float> workspace(reinterpret_cast<float*>(bytes.data()),
                                   bytes.size() / sizeof(float));
  const auto once = [&] {
    exchange.run(Way::forward, from.data(), into.data(), Fill::over, workspace);
  };
  // All ranks must run it equally often: the first look says how often.
  once();
  using Clock = std::chrono::steady_clock;
  const auto timed = [&](std::int64_t runs) {
    group.barrier();
    const auto began = Clock::now();
    for (std::int64_t i = 0; i < runs; ++i) once();
    const double sec = std::chrono::duration<double>(Clock::now() - began).count();
    return slowest(group, sec) / static_cast<double>(runs);
  };
  const double first = timed(3);
  const auto runs = static_cast<std::int64_t>(std::clamp(seconds / first / 3, 1.0, 1e5));
  std::vector<double> looks = {timed(runs), timed(runs), timed(runs)};
  std::sort(looks.begin(), looks.end());
  return looks[1];
}

struct Link {
  double latency = 0, bandwidth = 0;  // s a message, bytes/s of a rank
};

// A message costs latency + bytes / bandwidth, as two lengths say.
Link measure_link(Channel& group, double seconds) {
  const double brief = exchange_sec(group, kShort, seconds / 2);
  const double lasting = exchange_sec(group, kLong, seconds / 2);
  const double messages = group.ranks() - 1;
  const double bytes = messages * static_cast<double>((kLong - kShort) * sizeof(float));
  const double bandwidth = bytes / std::max(lasting - brief, 1e-9);
  return {std::max(0.0, brief / messages - kShort * sizeof(float) / bandwidth), bandwidth};
}

// This rank's place among those of its node, and how many there are.
std::pair<int, int> place_on_node(Channel& world) {
  const std::span<const int> nodes = world.nodes();
  const int own = nodes[static_cast<size_t>(world.rank())];
  int place = 0, ranks = 0;
  for (int rank = 0; rank < world.ranks(); ++rank) {
    if (nodes[static_cast<size_t>(rank)] != own) continue;
    place += rank < world.rank() ? 1 : 0;
    ++ranks;
  }
  return {place, ranks};
}

void measure_links(Channel& world, double seconds, Machine& machine) {
  const std::span<const int> nodes = world.nodes();
  const auto count = static_cast<std::int64_t>(std::set<int>(nodes.begin(), nodes.end()).size());
  const auto [place, mine] = place_on_node(world);
  const std::int64_t per_node = world.max(mine);
  machine.ranks_per_node = count > 1 ? per_node : 0;
  if (per_node > 1) {
    const auto node = world.split(nodes[static_cast<size_t>(world.rank())]);
    const Link link = measure_link(*node, seconds);
    machine.node_latency = slowest(world, link.latency);
    machine.node_bandwidth = 1 / slowest(world, 1 / link.bandwidth);
  }
  if (count == 1) return;
  // One rank of each node in a group, and all groups at once: they share the nodes' network.
  const auto across = world.split(place);
  Link link;
  if (across->ranks() > 1) link = measure_link(*across, seconds);
  machine.network_latency = slowest(world, link.latency);
  const double longest = slowest(world, link.bandwidth > 0 ? 1 / link.bandwidth : 0);
  machine.network_bandwidth = static_cast<double>(per_node) / longest;
}

double disk_bandwidth(Channel& world, const std::string& folder) {
  const std::string path = text(folder, "/.probe-", world.rank());
  const std::vector<char> block(size_t{8} << 20, 'o');
  world.barrier();
  const auto began = std::chrono::steady_clock::now();
  {
    const Handle<DescriptorTraits> file(::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644));
    if (file.get() < 0) fail(ErrorKind::disk, text(path, ": ", system_error()));
    ::unlink(path.c_str());  // gone when it is closed, whatever ends this process
    for (std::int64_t done = 0; done < kWritten; done += static_cast<std::int64_t>(block.size()))
      if (::write(file.get(), block.data(), block.size()) != static_cast<ssize_t>(block.size()))
        fail(ErrorKind::disk, text(path, ": ", system_error()));
    if (::fsync(file.get()) != 0) fail(ErrorKind::disk, text(path, ": ", system_error()));
  }
  const double sec =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return static_cast<double>(kWritten * world.ranks()) / slowest(world, sec);
}

StageRate stage_rate(Channel& world, const Stage& stage, const StageCost& cost,
                     const OptimizerConfig& optimizer, std::int64_t threads, double seconds) {
  world.barrier();
  const Rate own = measure_rate(cost, stage.config.model, optimizer, threads, seconds);
  return {stage.config.name,
          world.ranks(),
          fingerprint(stage),
          {1 / slowest(world, 1 / own.flops_per_sec), slowest(world, own.update_sec)}};
}

}  // namespace

MachineFile probe(Channel& world, const ProbeRule& rule, const RunCost* run,
                  const OptimizerConfig& optimizer) {
  MachineFile file;
  Machine& machine = file.machine;
  if (run != nullptr) machine = run->machine;
  const double part = rule.seconds / 8;
  machine.flops = product_flops(world, rule.threads, part);
  machine.bandwidth = memory_bandwidth(world, rule.threads, part);
  if (world.ranks() > 1) measure_links(world, part, machine);
  if (!rule.folder.empty()) machine.disk = disk_bandwidth(world, rule.folder);
  if (run == nullptr) return file;
  const double each = std::min(2.0, 4 * part / static_cast<double>(run->stages.size()));
  for (size_t i = 0; i < run->stages.size(); ++i)
    file.stages.push_back(
        stage_rate(world, run->plan.stages[i], run->stages[i], optimizer, rule.threads, each));
  return file;
}

}  // namespace ortho
