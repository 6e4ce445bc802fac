// What the planner says a sum costs is what MPI is asked to send: every MPI_Isend is counted.
#include <gtest/gtest.h>
#include <mpi.h>

#include <vector>

#include "comm/mpi.h"

namespace {

std::int64_t sent_messages = 0, sent_bytes = 0;

}  // namespace

// MPI lets a program put its own function in front of each of MPI's.
extern "C" int MPI_Isend(const void* data, int count, MPI_Datatype type, int to, int tag,
                         MPI_Comm communicator, MPI_Request* request) {
  int size = 0;
  PMPI_Type_size(type, &size);
  ++sent_messages;
  sent_bytes += std::int64_t{count} * size;
  return PMPI_Isend(data, count, type, to, tag, communicator, request);
}

namespace ortho {
namespace {

// Rank 0 has the largest slice, so it is the one that sends most.
TEST(SumCost, IsWhatIsSent) {
  for (const std::int64_t piece_bytes : {std::int64_t{100}, kPieceBytes}) {
    const auto channel = make_world_channel(piece_bytes);
    for (const std::int64_t count : {1025, 5000, 20001}) {
      sent_messages = sent_bytes = 0;
      std::vector<float> values(static_cast<size_t>(count), 1.0f);
      channel->sum(std::span<float>(values));
      const SumCost cost = sum_cost(count, sizeof(float), channel->ranks(), piece_bytes);
      std::int64_t most = sent_bytes, most_messages = sent_messages;
      most = channel->max(most);
      most_messages = channel->max(most_messages);
      EXPECT_EQ(most, cost.bytes) << count << " values, pieces of " << piece_bytes;
      EXPECT_EQ(most_messages, cost.messages) << count << " values, pieces of " << piece_bytes;
    }
  }
}

}  // namespace
}  // namespace ortho
