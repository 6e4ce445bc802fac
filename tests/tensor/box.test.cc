// Boxes: runs and copies against one element at a time.
#include "tensor/box.h"

#include <gtest/gtest.h>

#include <numeric>

#include "core/random.h"

namespace ortho {
namespace {

// A shape of up to 4 axes, a box of it, and a second shape with room for that box at `at`.
struct BoxCase {
  Shape shape, other;
  Box box;
  Index at;
};

BoxCase draw_case(std::uint64_t number) {
  const Random random(1, "box", number);
  std::uint64_t next = 0;
  const auto below = [&](std::int64_t bound) {
    return static_cast<std::int64_t>(random.below(next++, static_cast<std::uint64_t>(bound)));
  };
  BoxCase one;
  const std::int64_t axes = below(5);
  for (std::int64_t axis = 0; axis < axes; ++axis) {
    one.shape.push_back(1 + below(5));
    const bool all = below(2) == 0;  // often whole, so that runs merge
    const std::int64_t lo = all ? 0 : below(one.shape.back());
    one.box.lo.push_back(lo);
    one.box.hi.push_back(all ? one.shape.back() : lo + below(one.shape.back() - lo + 1));
    one.at.push_back(all ? 0 : below(3));
    one.other.push_back(one.at.back() + one.box.hi.back() - lo + (all ? 0 : below(2)));
  }
  return one;
}

// Offsets of the box's elements, row-major.
std::vector<std::int64_t> offsets(const Shape& shape, const Box& box) {
  std::vector<std::int64_t> result;
  const Shape size = extent(box);
  for (std::int64_t i = 0; i < elements(box); ++i) {
    std::int64_t rest = i, offset = 0;
    for (size_t axis = size.size(); axis-- > 0; rest /= size[axis])
      offset += (box.lo[axis] + rest % size[axis]) * strides(shape)[axis];
    result.push_back(offset);
  }
  return result;
}

TEST(Box, BoxesOfARangeTileItInOrder) {
  for (std::uint64_t number = 0; number < 2000; ++number) {
    const Box box = draw_case(number).box;
    const Shape size = extent(box);
    const std::int64_t count = elements(box);
    const Random random(2, "range", number);
    const auto lo =
        static_cast<std::int64_t>(random.below(0, static_cast<std::uint64_t>(count + 1)));
    const auto hi =
        lo + static_cast<std::int64_t>(random.below(1, static_cast<std::uint64_t>(count - lo + 1)));
    std::int64_t next = lo;
    const std::vector<Box> parts = boxes_of(box, {lo, hi});
    for (const Box& part : parts) {
      EXPECT_EQ(intersect(part, box), part);
      Index back = box.lo;
      for (std::int64_t& entry : back) entry = -entry;
      for (const std::int64_t offset : offsets(size, shift(part, back))) EXPECT_EQ(offset, next++);
    }
    EXPECT_EQ(next, hi);
    EXPECT_LE(parts.size(), std::max<size_t>(1, 2 * size.size()));
  }
}

TEST(Box, RunsAreAllElementsInOrder) {
  for (std::uint64_t number = 0; number < 2000; ++number) {
    const BoxCase one = draw_case(number);
    const Box other = shift(whole(extent(one.box)), one.at);
    std::vector<std::int64_t> seen, first, second;
    for_each_run(one.shape, one.box, [&](std::int64_t offset, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i) seen.push_back(offset + i);
    });
    for_each_run(one.shape, one.box, one.other, other,
                 [&](std::int64_t a, std::int64_t b, std::int64_t count) {
                   for (std::int64_t i = 0; i < count; ++i) {
                     first.push_back(a + i);
                     second.push_back(b + i);
                   }
                 });
    EXPECT_EQ(seen, offsets(one.shape, one.box)) << number;
    EXPECT_EQ(first, seen) << number;
    EXPECT_EQ(second, offsets(one.other, other)) << number;
  }
}

TEST(Box, WholeTrailingAxesAreOneRun) {
  std::vector<std::int64_t> counts;
  for_each_run({4, 3, 5}, {{1, 0, 0}, {3, 3, 5}},
               [&](std::int64_t, std::int64_t count) { counts.push_back(count); });
  EXPECT_EQ(counts, std::vector<std::int64_t>{30});
  counts.clear();
  for_each_run({4, 3, 5}, {{1, 0, 0}, {3, 3, 5}}, {2, 4, 5}, {{0, 1, 0}, {2, 4, 5}},
               [&](std::int64_t, std::int64_t, std::int64_t count) { counts.push_back(count); });
  EXPECT_EQ(counts, (std::vector<std::int64_t>{15, 15}));
}

TEST(Box, CopiesTheRegionAndNothingElse) {
  for (std::uint64_t number = 0; number < 500; ++number) {
    const BoxCase one = draw_case(number);
    std::vector<double> source(static_cast<size_t>(elements(one.shape)));
    std::iota(source.begin(), source.end(), 1);
    std::vector<double> target(static_cast<size_t>(elements(one.other)), -1), expected = target;
    const auto from = offsets(one.shape, one.box);
    const auto to = offsets(one.other, shift(whole(extent(one.box)), one.at));
    for (size_t i = 0; i < from.size(); ++i)
      expected[static_cast<size_t>(to[i])] = source[static_cast<size_t>(from[i])];
    copy_box(source.data(), one.shape, one.box, target.data(), one.other, one.at);
    EXPECT_EQ(target, expected) << number;
  }
}

}  // namespace
}  // namespace ortho
