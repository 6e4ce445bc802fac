// Rows held against the definition: a row belongs to the Box that its coordinates lie in.
#include "tensor/held_rows.h"

#include <gtest/gtest.h>

#include <vector>

namespace ortho {
namespace {

// The rows of the batch inside the Box, found one by one.
std::vector<std::int64_t> rows_inside(const HeldRows& rows) {
  std::vector<std::int64_t> inside;
  for (std::int64_t row = 0; row < elements(rows.batch); ++row) {
    const Index step = strides(rows.batch);
    bool in = true;
    for (size_t axis = 0; axis < step.size(); ++axis) {
      const std::int64_t at = row / step[axis] % rows.batch[axis];
      in = in && at >= rows.box.lo[axis] && at < rows.box.hi[axis];
    }
    if (in) inside.push_back(row);
  }
  return inside;
}

void check(const HeldRows& rows) {
  const auto inside = rows_inside(rows);
  ASSERT_EQ(rows.count(), static_cast<std::int64_t>(inside.size()));
  std::vector<std::int64_t> visited;
  for_each_row(rows, [&](std::int64_t local, std::int64_t row) {
    EXPECT_EQ(local, static_cast<std::int64_t>(visited.size()));
    visited.push_back(row);
  });
  EXPECT_EQ(visited, inside);
  std::vector<std::int64_t> local(static_cast<size_t>(elements(rows.batch)), -1);
  for (size_t i = 0; i < inside.size(); ++i) {
    EXPECT_EQ(rows.row(static_cast<std::int64_t>(i)), inside[i]);
    local[static_cast<size_t>(inside[i])] = static_cast<std::int64_t>(i);
  }
  for (size_t row = 0; row < local.size(); ++row)
    EXPECT_EQ(rows.local(static_cast<std::int64_t>(row)), local[row]);
}

TEST(HeldRows, AnyBoxOfABatch) {
  const Shape batch = {4, 3, 2, 5};
  check({batch, whole(batch)});
  check({batch, {{1, 0, 0, 0}, {3, 3, 2, 5}}});  // the outermost axis: one run
  check({batch, {{0, 1, 0, 0}, {4, 2, 2, 5}}});  // in the middle
  check({batch, {{2, 1, 1, 0}, {4, 3, 2, 5}}});
  check({batch, {{1, 0, 1, 2}, {2, 2, 2, 4}}});  // windows too
  check({batch, {{1, 2, 1, 0}, {1, 3, 2, 5}}});  // nothing
  check({{6}, {{0}, {6}}});                      // a context of one token
  check({{6}, {{2}, {5}}});
}

TEST(HeldRows, KnowsWhenItIsAll) {
  EXPECT_TRUE((HeldRows{{4, 3}, whole({4, 3})}.all()));
  EXPECT_FALSE((HeldRows{{4, 3}, {{0, 0}, {4, 2}}}.all()));
  EXPECT_EQ((HeldRows{{4, 3}, {{0, 0}, {4, 2}}}.windows()), 3);  // of the batch
}

}  // namespace
}  // namespace ortho
