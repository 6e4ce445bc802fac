// Replicas: the gradients that ranks with copies of the same weights add up, and the way back.
//
//   sum_gradients   each rank's own part of a group's gradients becomes the sum over its replicas
//   spread_values   … and after the update every replica gets every part of the values
//
// Parts are added in rank order, ((g0 + g1) + g2) + …, or as a balanced tree, so which rank owns a
// part changes nothing.
// A rank that holds its weights alone sends nothing. Sent per group of n weights and r replicas:
// n - own elements one way, (r - 1) own the other; received gradients need (r - 1) chunks of room.
#pragma once

#include <memory>
#include <vector>

#include "comm/channel.h"
#include "model/params.h"
#include "trainer/metrics.h"

namespace ortho {

// What sum_gradients and spread_values of one step send together on `rank`, without seconds, and
// the room for what they receive: pure.
Sent planned_sums(const std::vector<ParamGroup>& groups, int rank, std::int64_t element_bytes);
// nodes[r]: the node of rank r; empty: all are on one.
SentByLevel planned_sums_by_level(const std::vector<ParamGroup>& groups, int rank,
                                  std::int64_t element_bytes, std::span<const int> nodes);
std::int64_t sum_buffer_elements(const std::vector<ParamGroup>& groups);

enum class SumOrder {
  ranks,  // ((g0 + g1) + g2) + g3
  tree,   // (g0 + g1) + (g2 + g3); the replicas are 1, 2, 4 …
};

template <class T>
class Replicas {
 public:
  // Collective. Both outlive it.
  Replicas(Channel& world, Params<T>& params, SumOrder order = SumOrder::ranks);

  void sum_gradients();  // Collective, like the next
  void spread_values();
  const Sent& sent() const { return sent_; }  // in all calls so far, with waiting for the others

 private:
  struct Group {
    const ParamGroup* weights;
    std::unique_ptr<Channel> channel;  // of its replicas; null when there is one
  };
  void sum_chunk(Group& group, std::int64_t chunk);
  void add_all(Channel& channel, std::span<T> own);
  void spread(Group& group);
  void count(std::int64_t elements);

  Params<T>& params_;
  SumOrder order_;
  std::vector<Group> groups_;
  Buffer<T> received_;  // [r - 1][chunk]
  Sent sent_;
};

}  // namespace ortho
