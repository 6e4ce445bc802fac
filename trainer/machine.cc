#include "trainer/machine.h"

#include <algorithm>

namespace ortho {

Fields fields(Machine& m) {
  constexpr Limits kRate{0, 1e30, Limits::Open::lo};
  constexpr Limits kRateOrNone{0, 1e30};
  constexpr Limits kLatency{0, 10};
  return Fields()
      .integer("nodes", m.nodes, kFromZero, "nodes", "there are; 0 = as many as the ranks need")
      .integer("ranks_per_node", m.ranks_per_node, {0, 1 << 20}, "ranks",
               "of one node; 0 = all ranks are on one")
      .integer("memory", m.memory, kFromZero, "bytes",
               "that a rank may use; meshes that need more are refused; 0 = no limit")
      .real("flops", m.flops, kRate, "FLOP/s", "of one rank in large products")
      .real("bandwidth", m.bandwidth, kRateOrNone, "bytes/s",
            "of one rank's memory; 0 = no limit to a step")
      .real("node_latency", m.node_latency, kLatency, "s", "of a message within a node")
      .real("node_bandwidth", m.node_bandwidth, kRate, "bytes/s", "of one rank within its node")
      .real("network_latency", m.network_latency, kLatency, "s", "of a message between nodes")
      .real("network_bandwidth", m.network_bandwidth, kRate, "bytes/s",
            "of a node, shared by its ranks")
      .real("disk", m.disk, kRateOrNone, "bytes/s", "that all ranks together save; 0 = not known")
      .real("price", m.price, kRateOrNone, "", "of a node for an hour; 0 = not known");
}

std::vector<int> nodes_of(const Machine& machine, int ranks) {
  std::vector<int> nodes;
  if (machine.ranks_per_node == 0 || machine.ranks_per_node >= ranks) return nodes;
  for (int rank = 0; rank < ranks; ++rank)
    nodes.push_back(static_cast<int>(rank / machine.ranks_per_node));
  return nodes;
}

std::int64_t node_count(const Machine& machine, int ranks) {
  if (machine.ranks_per_node == 0) return 1;
  return (ranks + machine.ranks_per_node - 1) / machine.ranks_per_node;
}

double send_sec(const Machine& machine, int ranks, const SentByLevel& sent) {
  const auto sharers = static_cast<double>(
      machine.ranks_per_node == 0 ? ranks : std::min<std::int64_t>(machine.ranks_per_node, ranks));
  const auto sec = [](const Sent& part, double latency, double bandwidth) {
    return static_cast<double>(part.messages) * latency +
           static_cast<double>(part.bytes) / bandwidth;
  };
  return sec(sent.node, machine.node_latency, machine.node_bandwidth) +
         sec(sent.network, machine.network_latency, machine.network_bandwidth / sharers);
}

}  // namespace ortho
