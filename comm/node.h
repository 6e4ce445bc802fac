// Nodes: the ranks that share memory, numbers that make them consecutive, and what they share.
//
// Everything here is arithmetic or bookkeeping of one rank; the kinds of channel bring what MPI or
// the process knows. A machine may be rehearsed as several nodes (NodeSetting): then ranks behave
// as if they could not see each other's memory.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "comm/channel.h"

namespace ortho {

// The number of each rank if they are counted node by node: nodes in the order of their first
// ranks, the ranks of a node in their own order.
std::vector<int> number_by_node(std::span<const int> nodes);

// The node of each rank if every machine is cut into nodes of `ranks_per_node` of its ranks, the
// last one perhaps of fewer. 0: one node a machine. Counted from 0 by first ranks.
std::vector<int> nodes_of(std::span<const int> machines, int ranks_per_node);

// What one rank asks to share.
struct ShareRequest {
  int machine = 0;
  std::int64_t bytes = 0;
  std::int64_t room_bytes = 0;  // that it sees free on its machine
};
bool fit(std::span<const ShareRequest> requests);  // on every machine, with a margin

// Where the memory that this rank shares with others lies, for its owner and for this rank.
class Windows {
 public:
  void add(int owner, const std::byte* theirs, const std::byte* here, std::int64_t bytes);
  void remove(int owner, const std::byte* theirs);
  // What `owner` knows as `theirs`, seen from here; nullptr if it is not inside one window.
  const std::byte* here(int owner, const void* theirs, std::int64_t bytes) const;

 private:
  struct View {
    const std::byte* here;
    std::int64_t bytes;
  };
  std::map<std::pair<int, const std::byte*>, View> views_;  // by owner and first byte
};

// What one rank knows of the job's ranks, by their number in the world.
struct Site {
  Site(std::vector<int> its_machines, const NodeSetting& its_setting);

  NodeSetting setting;
  std::vector<int> machines, nodes;
  Windows windows;
  bool told = false;  // that something could not be shared
};

// The ranks of one channel as one of them sees them.
class Neighbours {
 public:
  // world[r]: the number of the channel's rank r in the world.
  Neighbours(std::shared_ptr<Site> site, std::vector<int> world, int rank);

  Neighbours among(const std::vector<int>& ranks, int rank) const;  // for a channel of these alone
  std::span<const int> nodes() const { return nodes_; }
  std::vector<int> on_my_node() const;  // ranks of the channel, this one among them
  bool any_share() const;               // two ranks on one node
  int machine(int rank) const { return site_->machines[world(rank)]; }
  const NodeSetting& setting() const { return site_->setting; }
  const std::byte* reads(int owner, const void* theirs, std::int64_t bytes) const;
  // Whether all ranks get what they ask for, one request a rank. If not, the log says so once.
  bool grant(std::span<const ShareRequest> requests) const;

 private:
  friend class NodeMemory;
  size_t world(int rank) const { return static_cast<size_t>(world_[static_cast<size_t>(rank)]); }

  std::shared_ptr<Site> site_;  // shared with the other channels of this rank and its memory
  std::vector<int> world_, nodes_;
  int rank_;
};

// Shared memory, known to the Windows of this rank from show() to its end.
class NodeMemory : public SharedMemory {
 public:
  ~NodeMemory() override;
  std::span<std::byte> bytes() override { return own_; }
  bool shared() const override { return true; }
  std::byte* of(int rank) const override;

 protected:
  NodeMemory(const Neighbours& neighbours, std::int64_t bytes);
  // The part of `rank`, which knows it as `theirs`.
  void show(int rank, const std::byte* theirs, std::byte* here, std::int64_t bytes);

 private:
  struct Part {
    const std::byte* theirs;
    std::byte* here;
  };
  Neighbours neighbours_;
  std::int64_t bytes_;
  std::span<std::byte> own_;
  std::map<int, Part> parts_;  // by rank
};

// Ordinary memory, where nothing can be shared.
std::unique_ptr<SharedMemory> unshared_memory(std::int64_t bytes);

}  // namespace ortho
