// Local channels: every collective on 1 to 8 ranks, and failures that must not hang.
#include "comm/local.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/error.h"
#include "tests/support/collectives.h"

namespace ortho {
namespace {

class LocalRanks : public testing::TestWithParam<int> {};

TEST_P(LocalRanks, KnowsItsPlace) {
  std::vector<std::atomic<int>> calls(static_cast<size_t>(GetParam()));
  run_local_ranks(GetParam(), [&](Channel& channel) {
    EXPECT_EQ(channel.ranks(), GetParam());
    EXPECT_FALSE(channel.host().empty());
    ++calls[static_cast<size_t>(channel.rank())];
  });
  for (const auto& count : calls) EXPECT_EQ(count, 1);
}

TEST_P(LocalRanks, SumsInRankOrder) { run_local_ranks(GetParam(), test::check_sums); }
TEST_P(LocalRanks, Broadcasts) { run_local_ranks(GetParam(), test::check_broadcast); }
TEST_P(LocalRanks, FindsTheMaximum) { run_local_ranks(GetParam(), test::check_max); }
TEST_P(LocalRanks, Gathers) { run_local_ranks(GetParam(), test::check_gather); }
TEST_P(LocalRanks, Splits) { run_local_ranks(GetParam(), test::check_split); }
TEST_P(LocalRanks, TransfersWhileOthersRun) { run_local_ranks(GetParam(), test::check_transfers); }

TEST_P(LocalRanks, SharesMemory) {
  run_local_ranks(GetParam(), test::check_share);
  for (const int node : {1, 2, 3})
    run_local_ranks(GetParam(), test::check_share, {.ranks_per_node = node});
}

TEST_P(LocalRanks, BarrierWaitsForAll) {
  std::atomic<int> arrived = 0;
  run_local_ranks(GetParam(), [&](Channel& channel) {
    for (int round = 1; round <= 50; ++round) {
      ++arrived;
      channel.barrier();
      EXPECT_EQ(arrived, round * channel.ranks());
      channel.barrier();  // nobody counts on before all have looked
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Ranks, LocalRanks, testing::Range(1, 9),
                         testing::PrintToStringParamName());

// Else SumsInRankOrder could not fail.
TEST(Local, TestValuesTellOrdersApart) {
  const std::vector<float> forward = test::expected_sum<float>(4, 1000);
  std::vector<float> backward = test::rank_values<float>(3, 1000);
  for (const int rank : {2, 1, 0}) {
    const std::vector<float> values = test::rank_values<float>(rank, 1000);
    for (size_t i = 0; i < values.size(); ++i) backward[i] += values[i];
  }
  EXPECT_NE(forward, backward);
}

TEST(Local, SingleChannelIsOneRank) {
  const std::unique_ptr<Channel> channel = make_single_channel();
  EXPECT_EQ(channel->rank(), 0);
  EXPECT_EQ(channel->ranks(), 1);
  test::check_sums(*channel);
  test::check_split(*channel);
}

TEST(Local, RethrowsTheCauseAndNotItsConsequences) {
  for (int failing = 0; failing < 4; ++failing) {
    try {
      run_local_ranks(4, [&](Channel& channel) {
        if (channel.rank() == failing) throw std::runtime_error("the cause");
        channel.barrier();  // must wake up
      });
      ADD_FAILURE() << "no error came out";
    } catch (const std::runtime_error& e) {
      EXPECT_STREQ(e.what(), "the cause");
    }
  }
}

TEST(Local, AFailureWakesGroupsSplitBefore) {
  EXPECT_THROW(run_local_ranks(4,
                               [](Channel& channel) {
                                 const std::unique_ptr<Channel> half =
                                     channel.split(channel.rank() / 2);
                                 if (channel.rank() == 3) throw std::runtime_error("the cause");
                                 half->barrier();
                                 channel.barrier();
                               }),
               std::runtime_error);
}

// Rank 2 fails with a message posted and one expected; the others must not wait for it, nor read
// memory that is gone.
TEST(Local, AFailureEndsTransfers) {
  EXPECT_THROW(run_local_ranks(3,
                               [](Channel& channel) {
                                 std::vector<std::byte> in(1000), out(1000);
                                 const int before = (channel.rank() + 2) % 3;
                                 const std::vector<Incoming> incoming = {{before, in}};
                                 const auto transfer = channel.open(incoming);
                                 if (channel.rank() != 1)
                                   transfer->send((channel.rank() + 1) % 3, out);
                                 if (channel.rank() == 2) throw std::runtime_error("the cause");
                                 transfer->wait_all();
                               }),
               std::runtime_error);
}

TEST(Local, MessagesOfAnotherSizeNameBothRanks) {
  try {
    run_local_ranks(2, [](Channel& channel) {
      std::vector<std::byte> in(channel.rank() == 1 ? 9 : 10), out(10);
      const std::vector<Incoming> incoming = {{1 - channel.rank(), in}};
      const auto transfer = channel.open(incoming);
      transfer->send(1 - channel.rank(), out);
      transfer->wait_all();
    });
    ADD_FAILURE() << "10 bytes went into 9";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("rank 0 sends 10 bytes, rank 1 expects 9"),
              std::string::npos)
        << e.what();
  }
}

TEST(Local, RefusesZeroRanks) {
  try {
    run_local_ranks(0, [](Channel&) {});
    ADD_FAILURE() << "0 ranks were accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage);
    EXPECT_NE(std::string(e.what()).find("comm/local.cc"), std::string::npos) << e.what();
  }
}

TEST(LocalDeathTest, AbortEndsTheProcessWithItsCode) {
  EXPECT_EXIT(make_single_channel()->abort(77), testing::ExitedWithCode(77), "");
}

}  // namespace
}  // namespace ortho
