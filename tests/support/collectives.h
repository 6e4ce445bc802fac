// What every kind of channel must do, whatever its ranks are: called on each rank by local.test.cc
// and channel.mpitest.cc. Values are chosen so that another order of adding gives other bits.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "comm/channel.h"

namespace ortho::test {

// Value i of a rank: over many magnitudes, both signs,
// so that sums round differently in every order.
template <class T>
std::vector<T> rank_values(int rank, std::int64_t count) {
  std::vector<T> values;
  std::uint64_t state = 0x9e3779b97f4a7c15u * static_cast<std::uint64_t>(rank + 1);
  for (std::int64_t i = 0; i < count; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const auto mantissa = static_cast<std::int64_t>(state >> 34) - (std::int64_t{1} << 29);
    const auto scale = static_cast<std::int64_t>(1) << ((state >> 20) % 24);
    values.push_back(static_cast<T>(mantissa * scale));
  }
  return values;
}

// The sum that all ranks must get, computed here in rank order.
template <class T>
std::vector<T> expected_sum(int ranks, std::int64_t count) {
  std::vector<T> total = rank_values<T>(0, count);
  for (int rank = 1; rank < ranks; ++rank) {
    const std::vector<T> values = rank_values<T>(rank, count);
    for (size_t i = 0; i < total.size(); ++i) total[i] += values[i];
  }
  return total;
}

// Bit for bit: == on floats would take 0 for -0.
template <class T>
void check_sum(Channel& channel, std::int64_t count) {
  std::vector<T> values = rank_values<T>(channel.rank(), count);
  channel.sum(std::span<T>(values));
  const std::vector<T> expected = expected_sum<T>(channel.ranks(), count);
  EXPECT_TRUE(count == 0 ||
              std::memcmp(values.data(), expected.data(), sizeof(T) * values.size()) == 0)
      << count << " values of " << sizeof(T) << " bytes on rank " << channel.rank();
}

// Empty, fewer values than ranks, both sides of the 4 KiB border, slices of unequal length.
inline void check_sums(Channel& channel) {
  for (const std::int64_t count : {0, 1, 3, 512, 513, 1024, 1025, 10007}) {
    check_sum<float>(channel, count);
    check_sum<double>(channel, count);
    check_sum<std::int64_t>(channel, count);
  }
}

inline void check_broadcast(Channel& channel) {
  for (int root = 0; root < channel.ranks(); ++root) {
    for (const size_t size : {0, 1, 1000}) {
      const auto mark = static_cast<std::byte>(root + 1);
      std::vector<std::byte> bytes(size, channel.rank() == root ? mark : std::byte{0});
      channel.broadcast(bytes, root);
      EXPECT_EQ(bytes, std::vector<std::byte>(size, mark)) << "root " << root;
    }
  }
}

inline void check_max(Channel& channel) {
  EXPECT_EQ(channel.max(channel.rank()), channel.ranks() - 1);
  EXPECT_EQ(channel.max(-channel.rank()), 0);
  constexpr std::int64_t kLarge = std::int64_t{1} << 40;
  EXPECT_EQ(channel.max(kLarge - channel.rank()), kLarge);
}

// Words of different lengths, some empty.
inline void check_gather(Channel& channel) {
  const auto word = [](int rank) { return std::string(static_cast<size_t>(rank % 3) * 100, 'a'); };
  const std::vector<std::string> all = channel.gather(word(channel.rank()));
  ASSERT_EQ(all.size(), static_cast<size_t>(channel.ranks()));
  for (int rank = 0; rank < channel.ranks(); ++rank) {
    EXPECT_EQ(all[static_cast<size_t>(rank)], word(rank)) << "rank " << rank;
  }
}

// Even and odd ranks apart, twice, and the halves again into single ranks.
inline void check_split(Channel& channel) {
  for (int repeat = 0; repeat < 2; ++repeat) {
    const int color = channel.rank() % 2;
    const std::unique_ptr<Channel> half = channel.split(color);
    EXPECT_EQ(half->rank(), channel.rank() / 2);
    EXPECT_EQ(half->ranks(), (channel.ranks() + 1 - color) / 2);
    const std::vector<std::string> members = half->gather(std::to_string(channel.rank()));
    for (size_t i = 0; i < members.size(); ++i) {
      EXPECT_EQ(members[i], std::to_string(2 * static_cast<int>(i) + color));
    }
    check_sums(*half);
    const std::unique_ptr<Channel> alone = half->split(half->rank());
    EXPECT_EQ(alone->ranks(), 1);
    EXPECT_EQ(alone->max(channel.rank()), channel.rank());
  }
}

// Two transfers and a sum at once, messages of all lengths from none, finished in the other order.
inline void check_transfers(Channel& channel) {
  const int own = channel.rank();
  const auto message = [](int from, int to, int round) {
    const auto size = static_cast<size_t>((from * 3 + to + round) % 5 * 100);
    return std::vector<std::byte>(size, static_cast<std::byte>(1 + from + 16 * round));
  };
  std::vector<std::vector<std::byte>> in[2], out[2];
  std::unique_ptr<Transfer> transfers[2];
  for (int round = 0; round < 2; ++round) {
    std::vector<Incoming> incoming;
    for (int other = 0; other < channel.ranks(); ++other) {
      in[round].emplace_back(message(other, own, round).size());
      out[round].push_back(message(own, other, round));
      if (other != own) incoming.push_back({other, in[round].back()});
    }
    transfers[round] = channel.open(incoming);
    for (int other = 0; other < channel.ranks(); ++other)
      if (other != own) transfers[round]->send(other, out[round][static_cast<size_t>(other)]);
  }
  check_sum<float>(channel, 3000);
  for (size_t one = 0; one + 1 < static_cast<size_t>(channel.ranks()); ++one)
    transfers[1]->wait(one);
  transfers[1]->wait_all();
  while (!transfers[0]->progress()) {
  }
  transfers[0]->wait_all();
  for (int round = 0; round < 2; ++round) {
    for (int other = 0; other < channel.ranks(); ++other) {
      if (other == own) continue;
      EXPECT_EQ(in[round][static_cast<size_t>(other)], message(other, own, round))
          << "rank " << other << " to " << own;
    }
  }
}

// Every rank writes its mark into memory of its own size; ranks of its node, and no others, read it,
// over the channel that shared it and over parts of that channel.
inline void check_share(Channel& channel) {
  const int own = channel.rank();
  const auto size = [](int rank) { return std::int64_t{64 + 1000 * rank}; };
  const auto mark = [](int rank) { return static_cast<std::byte>(1 + rank); };
  const bool any = [&] {
    std::set<int> nodes(channel.nodes().begin(), channel.nodes().end());
    return nodes.size() < channel.nodes().size();
  }();
  ASSERT_EQ(channel.nodes().size(), static_cast<size_t>(channel.ranks()));
  const auto near = [&](int rank) {
    return channel.nodes()[static_cast<size_t>(rank)] == channel.nodes()[static_cast<size_t>(own)];
  };
  const std::unique_ptr<SharedMemory> memory = channel.share(size(own));
  const std::unique_ptr<Channel> half = channel.split(own % 2);
  const std::span<std::byte> bytes = memory->bytes();
  EXPECT_EQ(memory->shared(), any);
  ASSERT_EQ(static_cast<std::int64_t>(bytes.size()), size(own));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(bytes.data()) % 64, 0u);
  EXPECT_EQ(std::count(bytes.begin(), bytes.end(), std::byte{0}), size(own));
  std::fill(bytes.begin(), bytes.end(), mark(own));

  // What each rank calls its own first byte.
  const std::vector<std::string> names =
      channel.gather(std::to_string(reinterpret_cast<std::uintptr_t>(bytes.data())));
  for (int rank = 0; rank < channel.ranks(); ++rank) {
    const bool seen = any && near(rank);
    EXPECT_EQ(memory->of(rank) != nullptr, seen) << "rank " << rank;
    const auto* name =
        reinterpret_cast<const std::byte*>(std::stoull(names[static_cast<size_t>(rank)]));
    EXPECT_EQ(channel.reads(rank, name, size(rank)), memory->of(rank)) << "rank " << rank;
    if (!seen) continue;
    EXPECT_EQ(std::count(memory->of(rank), memory->of(rank) + size(rank), mark(rank)), size(rank));
    if (rank % 2 != own % 2) continue;
    EXPECT_EQ(half->reads(rank / 2, name + 64, size(rank) - 64), memory->of(rank) + 64);
    EXPECT_EQ(half->nodes()[static_cast<size_t>(rank / 2)],
              channel.nodes()[static_cast<size_t>(rank)]);
  }
  std::vector<std::byte> ordinary(8);
  EXPECT_EQ(channel.reads(own, ordinary.data(), 8), nullptr);
  channel.barrier();
}

}  // namespace ortho::test
