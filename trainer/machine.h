// Machine: the cluster that plans reckon with: its nodes, and how fast a rank computes, sends and
// saves. The defaults are a core with AVX-512 and ranks of one node; `orthotope probe` measures
// others.
//
// A rank's send costs a latency and its bytes; the network of a node is shared by the node's ranks,
// which all send at once. Ranks fill the nodes in order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/fields.h"
#include "trainer/metrics.h"

namespace ortho {

struct Machine {
  std::int64_t nodes = 0;           // there are; 0: as many as the ranks need
  std::int64_t ranks_per_node = 0;  // 0: all ranks are on one node
  std::int64_t memory = 0;          // bytes a rank may use; 0: no limit
  double flops = 5e10;              // FLOP/s of one rank in large products, all ranks at work
  double bandwidth = 0;             // bytes/s of memory of one rank likewise; 0: no limit
  double node_latency = 5e-6;       // s to a rank of the same node …
  double node_bandwidth = 1e10;     // … and bytes/s
  double network_latency = 2e-5;    // s to another node …
  double network_bandwidth = 1e9;   // … and bytes/s of a node, both ways at once
  double disk = 0;                  // bytes/s that all ranks together save; 0: not known
  double price = 0;                 // of a node for an hour, in any currency
  bool operator==(const Machine&) const = default;
};

Fields fields(Machine& machine);

// The node of each rank. Empty where one node has all.
std::vector<int> nodes_of(const Machine& machine, int ranks);
std::int64_t node_count(const Machine& machine, int ranks);

double send_sec(const Machine& machine, int ranks, const SentByLevel& sent);

}  // namespace ortho
