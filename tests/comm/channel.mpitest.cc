// The MPI channel: what every channel must do, sums
// equal to local ranks bit for bit, messages in pieces.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "comm/local.h"
#include "comm/mpi.h"
#include "core/error.h"
#include "tests/support/collectives.h"

namespace ortho {
namespace {

TEST(MpiChannel, SumsInRankOrder) { test::check_sums(*make_world_channel()); }
TEST(MpiChannel, Broadcasts) { test::check_broadcast(*make_world_channel()); }
TEST(MpiChannel, FindsTheMaximum) { test::check_max(*make_world_channel()); }
TEST(MpiChannel, Gathers) { test::check_gather(*make_world_channel()); }
TEST(MpiChannel, Splits) { test::check_split(*make_world_channel()); }
TEST(MpiChannel, TransfersWhileOthersRun) { test::check_transfers(*make_world_channel()); }

TEST(MpiChannel, SharesMemory) {
  test::check_share(*make_world_channel());
  for (const int node : {1, 2, 3})
    test::check_share(*make_world_channel(kPieceBytes, {.ranks_per_node = node}));
}

// The ranks of this test run on one machine.
TEST(MpiChannel, KnowsItsNodes) {
  const auto channel = make_world_channel();
  EXPECT_EQ(std::vector<int>(channel->nodes().begin(), channel->nodes().end()),
            std::vector<int>(static_cast<size_t>(channel->ranks()), 0));
  const auto pairs = make_world_channel(kPieceBytes, {.ranks_per_node = 2});
  for (int rank = 0; rank < pairs->ranks(); ++rank)
    EXPECT_EQ(pairs->nodes()[static_cast<size_t>(rank)], rank / 2);
}

// Pieces of 100 bytes in place of 1 GiB: the same code as for counts above INT_MAX. 100 is no
// multiple of a double, so values are cut too.
TEST(MpiChannel, CutsLongMessages) {
  const std::unique_ptr<Channel> channel = make_world_channel(100);
  test::check_sums(*channel);
  test::check_broadcast(*channel);
  test::check_gather(*channel);
  test::check_split(*channel);
  test::check_transfers(*channel);
}

TEST(MpiChannel, RefusesPiecesThatMpiCannotCount) {
  EXPECT_THROW(make_world_channel(0), Error);
  EXPECT_THROW(make_world_channel(std::int64_t{1} << 31), Error);
}

// The same ranks as threads and as processes give the same bits.
template <class T>
void compare_with_local() {
  const std::unique_ptr<Channel> channel = make_world_channel();
  for (const std::int64_t count : {7, 700, 70000}) {
    std::vector<T> by_mpi = test::rank_values<T>(channel->rank(), count);
    channel->sum(std::span<T>(by_mpi));
    std::vector<T> by_threads;
    run_local_ranks(channel->ranks(), [&](Channel& local) {
      std::vector<T> values = test::rank_values<T>(local.rank(), count);
      local.sum(std::span<T>(values));
      if (local.rank() == channel->rank()) by_threads = values;
    });
    EXPECT_EQ(std::memcmp(by_mpi.data(), by_threads.data(), sizeof(T) * by_mpi.size()), 0) << count;
  }
}

TEST(MpiChannel, SumsLikeLocalRanksFloat) { compare_with_local<float>(); }
TEST(MpiChannel, SumsLikeLocalRanksDouble) { compare_with_local<double>(); }

TEST(MpiChannel, MessagesNameTheRank) {
  const std::unique_ptr<Channel> channel = make_world_channel();
  try {
    fail(ErrorKind::data, "a test");
  } catch (const Error& e) {
    const std::string expected =
        text("rank ", channel->rank(), " of ", channel->ranks(), " on ", channel->host(), ": ");
    EXPECT_EQ(std::string(e.what()).rfind(expected, 0), 0U) << e.what();
  }
}

}  // namespace
}  // namespace ortho
