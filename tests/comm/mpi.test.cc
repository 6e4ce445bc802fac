#include "comm/mpi.h"

#include <gtest/gtest.h>

namespace ortho {
namespace {

TEST(SumCost, OneRankSendsNothing) {
  const SumCost cost = sum_cost(1000000, 4, 1);
  EXPECT_EQ(cost.messages, 0);
  EXPECT_EQ(cost.bytes, 0);
  EXPECT_EQ(cost.buffer_bytes, 0);
}

TEST(SumCost, TwiceAllButOneShareOfTheValues) {
  const SumCost cost = sum_cost(878464, 4, 4);
  EXPECT_EQ(cost.messages, 2 * 3);
  EXPECT_EQ(cost.bytes, 2 * 3 * 878464 / 4 * 4);
  EXPECT_EQ(cost.buffer_bytes, 4 * 878464);
}

// 2000 over 3 ranks: slices of 667, 667 and 666.
TEST(SumCost, TheLargestSliceCounts) {
  const SumCost cost = sum_cost(2000, 8, 3);
  EXPECT_EQ(cost.bytes, 8 * (667 + 666 + 2 * 667));
  EXPECT_EQ(cost.buffer_bytes, 8 * 3 * 667);
}

TEST(SumCost, LongMessagesAreCut) {
  const SumCost cost = sum_cost(2000, 4, 2, 1000);  // slices of 4000 bytes
  EXPECT_EQ(cost.messages, 2 * 4);
  EXPECT_EQ(cost.bytes, 2 * 4000);
}

TEST(SumCost, SmallSumsAreOneGather) {
  const SumCost cost = sum_cost(9, 8, 4);
  EXPECT_EQ(cost.messages, 3);
  EXPECT_EQ(cost.bytes, 3 * 72);
  EXPECT_EQ(cost.buffer_bytes, 4 * 72);
}

}  // namespace
}  // namespace ortho
