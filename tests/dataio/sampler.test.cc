#include "dataio/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "core/random.h"
#include "tests/support/errors.h"
#include "tests/support/hostile.h"

namespace ortho {
namespace {

// Units of 1 to 6 blocks with 0 to 60 samples each.
std::vector<UnitSize> some_units(std::int64_t count) {
  std::vector<UnitSize> units;
  const Random random(7, "test/units");
  for (std::int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<std::uint64_t>(i);
    units.push_back({1 + static_cast<std::int64_t>(random.below(2 * at, 6)),
                     static_cast<std::int64_t>(random.below(2 * at + 1, 61))});
  }
  return units;
}

std::int64_t all_samples(const std::vector<UnitSize>& units) {
  return std::accumulate(units.begin(), units.end(), std::int64_t{0},
                         [](std::int64_t sum, const UnitSize& unit) { return sum + unit.samples; });
}

using Pair = std::pair<std::int64_t, std::int64_t>;

std::vector<Pair> epoch_list(EpochPlan& plan) {
  std::vector<Pair> list;
  for (std::int64_t j = 0; j < plan.samples(); ++j) {
    const SampleId id = plan.at(j);
    list.emplace_back(id.unit, id.sample);
  }
  return list;
}

TEST(Sampler, EverySampleOnceButForTheRest) {
  const auto units = some_units(500);
  EpochPlan plan(units, {3, 16, 4}, 8, 0);
  const auto list = epoch_list(plan);
  EXPECT_EQ(std::set<Pair>(list.begin(), list.end()).size(), list.size());
  for (const auto& [unit, sample] : list) {
    ASSERT_GE(sample, 0);
    ASSERT_LT(sample, units[static_cast<std::size_t>(unit)].samples);
  }
  EXPECT_EQ(plan.left_out(), all_samples(units) % 16);
  EXPECT_EQ(plan.samples() + plan.left_out(), all_samples(units));
}

TEST(Sampler, AnotherEpochOrSeedIsAnotherOrder) {
  const auto units = some_units(200);
  EpochPlan a(units, {3, 16, 4}, 8, 0), same(units, {3, 16, 4}, 8, 0), b(units, {3, 16, 4}, 8, 1),
      c(units, {4, 16, 4}, 8, 0);
  const auto list = epoch_list(a);
  EXPECT_EQ(list, epoch_list(same));
  EXPECT_NE(list, epoch_list(b));
  EXPECT_NE(list, epoch_list(c));
}

TEST(Sampler, SeekingEqualsRunningOn) {
  const auto units = some_units(300);
  EpochPlan running(units, {5, 8, 4}, 8, 2);
  const auto list = epoch_list(running);
  for (const std::int64_t start : {1, 777, 4000}) {
    EpochPlan fresh(units, {5, 8, 4}, 8, 2);
    for (std::int64_t j = start; j < start + 50; ++j) {
      const SampleId id = fresh.at(j);
      ASSERT_EQ(Pair(id.unit, id.sample), list[static_cast<std::size_t>(j)]);
    }
  }
}

// At any time a stream draws from W blocks at most,
// larger units from a W-blocks' share of their samples.
TEST(Sampler, AStreamDrawsFromAWindowOfBlocks) {
  std::vector<UnitSize> units(100, UnitSize{1, 50});
  const std::int64_t streams = 4, blocks = 4;
  EpochPlan plan(units, {1, streams, blocks}, 4, 0);
  const std::int64_t per_stream = plan.samples() / streams;
  for (std::int64_t stream = 0; stream < streams; ++stream)
    for (std::int64_t first = 0; first + 200 <= per_stream; first += 200) {
      std::set<std::int64_t> seen;
      for (std::int64_t place = first; place < first + 200; ++place)
        seen.insert(plan.at(place * streams + stream).unit);
      EXPECT_EQ(seen.size(), 4u) << stream << " " << first;
    }
  const std::vector<UnitSize> one = {{40, 4000}};  // 10 windows of 400
  EpochPlan large(one, {1, 1, blocks}, 4, 0);
  for (std::int64_t window = 0; window < 10; ++window)
    for (std::int64_t j = window * 400; j < (window + 1) * 400; ++j)
      ASSERT_EQ(large.at(j).sample / 400, window);
}

TEST(Sampler, GlobalBatchesAreTheSameForAnyNumberOfReplicas) {
  const std::int64_t batch = 24, streams = 16;  // gcd 8
  for (const std::int64_t consumed : {0, 24, 35, 1000}) {
    const auto global = batch_samples(consumed, batch, streams);
    auto sorted = global;
    std::sort(sorted.begin(), sorted.end());
    for (std::int64_t i = 0; i < batch; ++i)
      ASSERT_EQ(sorted[static_cast<std::size_t>(i)], consumed + i);
    for (const int replicas : {1, 2, 4, 8}) {
      std::int64_t next = 0;
      for (int replica = 0; replica < replicas; ++replica) {
        const Range own = owned_windows(batch, streams, replicas, replica);
        EXPECT_EQ(own.lo, next);
        next = own.hi;
      }
      EXPECT_EQ(next, batch);
    }
  }
}

TEST(Sampler, AReplicaReadsOnlyItsStreams) {
  const std::int64_t batch = 24, streams = 16;
  for (const int replicas : {2, 4, 8}) {
    std::map<std::int64_t, std::set<int>> readers;  // of each stream
    for (std::int64_t step = 0; step < 20; ++step) {
      const auto samples = batch_samples(step * batch, batch, streams);
      for (int replica = 0; replica < replicas; ++replica) {
        const Range own = owned_windows(batch, streams, replicas, replica);
        for (std::int64_t i = own.lo; i < own.hi; ++i)
          readers[samples[static_cast<std::size_t>(i)] % streams].insert(replica);
      }
    }
    EXPECT_EQ(readers.size(), static_cast<std::size_t>(streams));
    for (const auto& [stream, replica_set] : readers) EXPECT_EQ(replica_set.size(), 1u) << stream;
  }
}

TEST(Sampler, TinyDataLoseOnlyARest) {
  const std::vector<UnitSize> one = {{1, 100}};
  EpochPlan plan(one, {1, 64, 4}, 12, 0);
  EXPECT_EQ(plan.streams(), 4);  // gcd(64, 12)
  EXPECT_EQ(plan.left_out(), 0);
  EpochPlan exact(one, {1, 64, 4}, 100, 0);
  EXPECT_EQ(exact.samples(), 100);
  const std::vector<UnitSize> many = {{1, 64 * 64}};
  EXPECT_EQ(EpochPlan(many, {1, 64, 4}, 12, 0).streams(), 64);
  EXPECT_EQ(EpochPlan(many, {1, 64, 4}, 4095, 0).samples(), 4096);  // a batch of nearly all
}

TEST(Sampler, ImpossibleNumbersAreNamed) {
  const std::vector<UnitSize> one = {{1, 5}};
  std::string message = message_of([&] { EpochPlan(one, {1, 64, 4}, 6, 0); }, ErrorKind::usage);
  EXPECT_NE(message.find("the batch has 6 windows, the data give 5 samples"), std::string::npos);
  message = message_of([] { owned_windows(4, 64, 8, 0); }, ErrorKind::usage);
  EXPECT_NE(message.find("8 replicas, a batch of 4 windows"), std::string::npos);
  message = message_of([] { owned_windows(12, 64, 3, 0); }, ErrorKind::usage);
  EXPECT_NE(message.find("3 replicas must divide the batch of 12 windows and the 64 streams"),
            std::string::npos);
}

TEST(Sampler, PaddingCoversAllSpareAlike) {
  std::vector<int> counts(4, 0);
  for (std::int64_t record = 0; record < 4000; ++record)
    ++counts[static_cast<std::size_t>(random_padding(9, 1, record, 3))];
  // 1000 each; the standard deviation is sqrt(4000 * 3 / 16) = 27,
  // five of them never fail by chance.
  for (const int count : counts) EXPECT_NEAR(count, 1000, 137);
  EXPECT_EQ(random_padding(9, 1, 5, 0), 0);
  EXPECT_EQ(count_windows(0, 4), 0);
  EXPECT_EQ(count_windows(8, 4), 2);
  EXPECT_EQ(count_windows(9, 4), 3);
}

}  // namespace
}  // namespace ortho
