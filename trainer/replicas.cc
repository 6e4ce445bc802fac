#include "trainer/replicas.h"

#include <algorithm>

#include "core/error.h"
#include "core/stopwatch.h"

namespace ortho {
namespace {

constexpr std::int64_t kChunk = std::int64_t{1} << 18;  // elements that are added at once

int replicas_of(const ParamGroup& group) { return static_cast<int>(group.replicas.size()); }

// The part of the arena that replica `index` of the group owns, and one chunk of it.
Range part_of(const ParamGroup& group, int index) {
  const Range part = split(group.arena.size(), replicas_of(group), index);
  return {group.arena.lo + part.lo, group.arena.lo + part.hi};
}

Range chunk_of(const ParamGroup& group, int index, std::int64_t chunk) {
  const Range part = part_of(group, index);
  const std::int64_t lo = std::min(part.lo + chunk * kChunk, part.hi);
  return {lo, std::min(lo + kChunk, part.hi)};
}

// As many as the largest part has; all replicas take part in each.
std::int64_t chunks_of(const ParamGroup& group) {
  return (part_of(group, 0).size() + kChunk - 1) / kChunk;
}

template <class T>
std::span<T> part(std::span<T> all, const Range& range) {
  return all.subspan(static_cast<size_t>(range.lo), static_cast<size_t>(range.size()));
}

template <class T>
std::int64_t bytes_of(const ParamGroup& group) {
  return group.arena.size() * static_cast<std::int64_t>(sizeof(T));
}

}  // namespace

Sent planned_sums(const std::vector<ParamGroup>& groups, int rank, std::int64_t element_bytes) {
  return planned_sums_by_level(groups, rank, element_bytes, {}).node;
}

SentByLevel planned_sums_by_level(const std::vector<ParamGroup>& groups, int rank,
                                  std::int64_t element_bytes, std::span<const int> nodes) {
  SentByLevel levels;
  for (const ParamGroup& group : groups) {
    for (int other = 0; other < replicas_of(group); ++other) {
      const int to = group.replicas[static_cast<size_t>(other)];
      if (to == rank) continue;
      const bool near = nodes.empty() || nodes[static_cast<size_t>(to)] ==
                                             nodes[static_cast<size_t>(rank)];
      Sent& planned = near ? levels.node : levels.network;
      const std::int64_t theirs = part_of(group, other).size();
      planned.messages += (theirs + kChunk - 1) / kChunk + (group.own.size() > 0 ? 1 : 0);
      planned.bytes += (theirs + group.own.size()) * element_bytes;
    }
  }
  return levels;
}

std::int64_t sum_buffer_elements(const std::vector<ParamGroup>& groups) {
  std::int64_t most = 0;
  for (const ParamGroup& group : groups)
    most = std::max(most, (replicas_of(group) - 1) * std::min(kChunk, group.own.size()));
  return most;
}

template <class T>
Replicas<T>::Replicas(Channel& world, Params<T>& params, SumOrder order)
    : params_(params), order_(order) {
  for (const ParamGroup& group : params.groups())
    groups_.push_back({&group, world.ranks() > 1 ? world.split(group.replicas.front()) : nullptr});
  received_ = Buffer<T>(sum_buffer_elements(params.groups()), "gradients of other ranks");
}

template <class T>
void Replicas<T>::count(std::int64_t elements) {
  if (elements == 0) return;
  ++sent_.messages;
  sent_.bytes += elements * static_cast<std::int64_t>(sizeof(T));
}

template <class T>
void Replicas<T>::add_all(Channel& channel, std::span<T> own) {
  const int ranks = channel.ranks();
  const auto part_of_rank = [&](int rank) {
    if (rank == channel.rank()) return own;
    const auto before = static_cast<size_t>(rank - (rank > channel.rank() ? 1 : 0));
    return received_.span().subspan(before * own.size(), own.size());
  };
  const auto add = [&](int to, int from) {
    const std::span<T> sum = part_of_rank(to);
    const std::span<const T> next = part_of_rank(from);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += next[i];
  };
  if (order_ == SumOrder::ranks)
    for (int rank = 1; rank < ranks; ++rank) add(0, rank);
  else
    for (int width = 1; width < ranks; width *= 2)
      for (int rank = 0; rank + width < ranks; rank += 2 * width) add(rank, rank + width);
  const std::span<const T> sum = part_of_rank(0);
  if (channel.rank() != 0) std::copy(sum.begin(), sum.end(), own.begin());
}

template <class T>
void Replicas<T>::sum_chunk(Group& group, std::int64_t chunk) {
  Channel& channel = *group.channel;
  const auto own = part(params_.grads(), chunk_of(*group.weights, channel.rank(), chunk));
  std::vector<Incoming> incoming;
  for (int other = 0; other < channel.ranks() && !own.empty(); ++other)
    if (other != channel.rank())
      incoming.push_back({other, std::as_writable_bytes(received_.span().subspan(
                                     incoming.size() * own.size(), own.size()))});
  const auto transfer = channel.open(incoming);
  for (int turn = 1; turn < channel.ranks(); ++turn) {
    const int other = (channel.rank() + turn) % channel.ranks();
    const auto theirs = part(params_.grads(), chunk_of(*group.weights, other, chunk));
    if (!theirs.empty()) transfer->send(other, std::as_bytes(theirs));
    count(static_cast<std::int64_t>(theirs.size()));
  }
  transfer->wait_all();
  add_all(channel, own);
}

template <class T>
void Replicas<T>::spread(Group& group) {
  Channel& channel = *group.channel;
  std::vector<Incoming> incoming;
  for (int turn = 1; turn < channel.ranks(); ++turn) {
    const int other = (channel.rank() + channel.ranks() - turn) % channel.ranks();
    const auto theirs = part(params_.values(), part_of(*group.weights, other));
    if (!theirs.empty()) incoming.push_back({other, std::as_writable_bytes(theirs)});
  }
  const auto transfer = channel.open(incoming);
  const auto own = part(params_.values(), group.weights->own);
  for (int turn = 1; turn < channel.ranks(); ++turn) {
    if (!own.empty()) transfer->send((channel.rank() + turn) % channel.ranks(), std::as_bytes(own));
    count(static_cast<std::int64_t>(own.size()));
  }
  transfer->wait_all();
}

template <class T>
void Replicas<T>::sum_gradients() {
  const Stopwatch watch(sent_.seconds);
  for (Group& group : groups_) {
    if (replicas_of(*group.weights) == 1) continue;
    const Operating operating(*group.channel, "sum of gradients", bytes_of<T>(*group.weights));
    for (std::int64_t chunk = 0; chunk < chunks_of(*group.weights); ++chunk)
      sum_chunk(group, chunk);
  }
}

template <class T>
void Replicas<T>::spread_values() {
  const Stopwatch watch(sent_.seconds);
  for (Group& group : groups_)
    if (replicas_of(*group.weights) > 1) {
      const Operating operating(*group.channel, "new weights", bytes_of<T>(*group.weights));
      spread(group);
    }
}

template class Replicas<float>;
template class Replicas<double>;

}  // namespace ortho
