// An exchange to the lines and back, by messages and through shared memory, against MPI's own
// all-to-all of the same bytes, interleaved in one run (docs/performance.md).
//
//   mpirun -np 2 build/release/bench/exchange [megabytes a rank, at most]
// MPI's goes from a packed buffer into another, the own block with it; ours from an array into an
// array, packing and unpacking. "copy" is the local array copied once, the machine's limit. Minima
// over the runs of the slowest rank's time, since others may use the machine; the aim is a ratio of
// 1.2 at most.
#include "comm/exchange.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "comm/mpi.h"
#include "tensor/buffer.h"

namespace ortho {
namespace {

double now_sec() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// The time of `act` on the slowest rank.
template <class Act>
double slowest_sec(Channel& channel, Act act) {
  channel.barrier();
  const double began = now_sec();
  act();
  return 1e-9 *
         static_cast<double>(channel.max(static_cast<std::int64_t>(1e9 * (now_sec() - began))));
}

double least(const std::vector<double>& x) { return *std::min_element(x.begin(), x.end()); }

// One way of handing over: its arrays and the times of its runs.
struct Path {
  std::span<float> x, lines, workspace;
  std::vector<double> there = {}, back = {};
  std::array<std::vector<double>, 3> phases = {};  // on the way there: packing, waiting, unpacking

  void run(Channel& channel, Exchange<float>& exchange) {
    const ExchangeCount before = exchange.count(Way::forward);
    there.push_back(slowest_sec(channel, [&] {
      exchange.run(Way::forward, x.data(), lines.data(), Fill::over, workspace);
    }));
    const ExchangeCount& now = exchange.count(Way::forward);
    phases[0].push_back(now.packing_sec - before.packing_sec);
    phases[1].push_back(now.waiting_sec - before.waiting_sec);
    phases[2].push_back(now.unpacking_sec - before.unpacking_sec);
    back.push_back(slowest_sec(channel, [&] {
      exchange.run(Way::backward, lines.data(), x.data(), Fill::over, workspace);
    }));
  }
};

struct Times {
  std::vector<double> copy, mpi;
  Path messages, packed, pulled;
};

// MPI's own all-to-all of the same bytes: from packed to packed, the own block among them.
struct RawAllToAll {
  std::vector<int> counts;
  Buffer<float> out, in;

  explicit RawAllToAll(const Plan& plan)
      : counts(static_cast<size_t>(plan.ranks)),
        out(elements(plan.source.shape), "bench"),
        in(elements(plan.target.shape), "bench") {
    for (const Message& message : plan.source.messages)
      counts[static_cast<size_t>(message.rank)] = static_cast<int>(message.elements * 4);
  }
  void run() {
    mpi_all_to_all(counts, std::as_bytes(out.span()), std::as_writable_bytes(in.span()));
  }
};

Times measure(Channel& channel, Exchange<float>& exchange, Channel& apart,
              Exchange<float>& by_messages) {
  const Plan& plan = exchange.plan();
  const std::int64_t source = elements(plan.source.shape), target = elements(plan.target.shape);
  Buffer<float> x(source, "bench"), lines(target, "bench"), workspace(plan.workspace(), "bench");
  const auto window = channel.share((source + target + plan.workspace()) * 4);
  const std::span<float> shared(reinterpret_cast<float*>(window->bytes().data()),
                                window->bytes().size() / 4);
  const auto places = std::array{static_cast<size_t>(source), static_cast<size_t>(target)};
  const std::span<float> shared_x = shared.first(places[0]),
                         shared_lines = shared.subspan(places[0], places[1]),
                         shared_workspace = shared.subspan(places[0] + places[1]);

  RawAllToAll raw(plan);
  Times times{{},
              {},
              {x.span(), lines.span(), workspace.span()},
              {x.span(), lines.span(), shared_workspace},
              {shared_x, shared_lines, shared_workspace}};
  const double until = now_sec() + 1;
  for (int i = 0; i < 5 || channel.max(now_sec() < until ? 1 : 0) > 0; ++i) {
    times.copy.push_back(
        slowest_sec(channel, [&] { std::copy_n(x.data(), x.size(), lines.data()); }));
    times.mpi.push_back(slowest_sec(channel, [&] { raw.run(); }));
    times.messages.run(apart, by_messages);
    for (Path* path : {&times.packed, &times.pulled}) path->run(channel, exchange);
  }
  return times;
}

void compare(Channel& channel, Channel& apart, Order order, std::int64_t local_bytes) {
  const int ranks = channel.ranks();
  constexpr std::int64_t kSide = 16, kChannels = 32;
  const std::int64_t windows = local_bytes * ranks / 4 / (kSide * kSide * kChannels);
  const NodeShape nodes = node_shape({kSide, kSide}, windows, kChannels, order);
  const Layout home(Mesh({{"x", ranks}}), {0});
  Exchange<float> exchange(
      plan_exchange(nodes.shape, home, lines_layout(nodes, home, 0), channel.rank(), 4), channel,
      "to the lines");
  Exchange<float> by_messages(exchange.plan(), apart, "to the lines, by messages");
  const Times times = measure(channel, exchange, apart, by_messages);
  if (channel.rank() != 0) return;
  std::printf("%-14s %8.2f %8.3f %8.3f",
              order == Order::batch_inner ? "batch_inner" : "channels_inner",
              static_cast<double>(local_bytes) / (1 << 20), 1e3 * least(times.copy),
              1e3 * least(times.mpi));
  for (const Path* path : {&times.messages, &times.packed, &times.pulled})
    std::printf("   %8.3f %8.3f %5.2f", 1e3 * least(path->there), 1e3 * least(path->back),
                std::max(least(path->there), least(path->back)) / least(times.mpi));
  const auto& [pack, wait, unpack] = times.messages.phases;
  std::printf("   %6.1f %6.1f %6.1f", 1e6 * least(pack), 1e6 * least(wait), 1e6 * least(unpack));
  std::printf("\n");
}

}  // namespace
}  // namespace ortho

int main(int argc, char** argv) {
  const ortho::MpiSession session;
  const auto channel = ortho::make_world_channel();
  const auto apart = ortho::make_world_channel(ortho::kPieceBytes, {.ranks_per_node = 1});
  const double most = (argc > 1 ? std::atof(argv[1]) : 64) * (1 << 20);
  if (channel->rank() == 0)
    std::printf(
        "%d ranks, ms     MB each     copy      mpi   messages     back ratio     packed"
        "     back ratio     pulled     back ratio   us there by messages: pack, wait, unpack\n",
        channel->ranks());
  for (const ortho::Order order : {ortho::Order::batch_inner, ortho::Order::channels_inner})
    for (std::int64_t bytes = 64 << 10; static_cast<double>(bytes) <= most; bytes *= 4)
      ortho::compare(*channel, *apart, order, bytes);
  return 0;
}
