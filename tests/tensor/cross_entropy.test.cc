#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tensor/backend.h"

namespace ortho {
namespace {

// More rows than are summed at once: the same bits as row by row.
TEST(CrossEntropy, ManyRowsEqualOneAfterTheOther) {
  constexpr std::int64_t kRows = 9001, kClasses = 3;
  const auto backend = make_cpu_backend<float>(2);
  const Random random(1, "logits");
  std::vector<float> logits;
  std::vector<std::int32_t> target;
  for (std::uint64_t i = 0; i < kRows * kClasses; ++i)
    logits.push_back(static_cast<float>(random.normal(i)));
  for (std::uint64_t i = 0; i < kRows; ++i)
    target.push_back(static_cast<std::int32_t>(random.below(i, kClasses)));
  std::vector<float> one_by_one = logits;
  double loss = 0.5, one_loss = 0.5;  // they add to what is there
  std::int64_t hits = 7, one_hits = 7;
  backend->cross_entropy(kRows, kClasses, target, {}, 0.25, logits.data(), &loss, &hits);
  for (std::int64_t r = 0; r < kRows; ++r)
    backend->cross_entropy(1, kClasses, std::span(target).subspan(static_cast<size_t>(r), 1), {},
                           0.25, one_by_one.data() + r * kClasses, &one_loss, &one_hits);
  EXPECT_EQ(loss, one_loss);
  EXPECT_EQ(hits, one_hits);
  EXPECT_EQ(logits, one_by_one);
  EXPECT_GT(hits, 7 + kRows / 4);  // a third is right by chance
}

TEST(CrossEntropy, OfOneRowByHand) {
  const auto backend = make_cpu_backend<double>(1);
  std::vector<double> logits = {0, std::log(3.0)};
  double loss = 0;
  std::int64_t hits = 0;
  backend->cross_entropy(1, 2, std::vector<std::int32_t>{1}, {}, 2, logits.data(), &loss, &hits);
  EXPECT_NEAR(loss, std::log(4.0 / 3.0), 1e-12);  // double: a few roundings
  EXPECT_EQ(hits, 1);
  EXPECT_NEAR(logits[0], 2 * 0.25, 1e-12);
  EXPECT_NEAR(logits[1], 2 * (0.75 - 1), 1e-12);
}

// A weight is as good as so many rows: of 2, 0 and 1, all exact.
TEST(CrossEntropy, WeighsRows) {
  const auto backend = make_cpu_backend<double>(1);
  const std::vector<double> logits = {0, 1, 2, 3, 1, 0};
  const std::vector<std::int32_t> target = {1, 0, 1};
  const std::vector<double> weight = {2, 0, 1};
  std::vector<double> weighted = logits, one = {0, 1}, three = {1, 0}, told(3 * kSoftmaxPart);
  double loss = 0, expected = 0, in_parts = 0;
  std::int64_t hits = 0, ones = 0, part_hits = 0;
  backend->cross_entropy(3, 2, target, weight, 0.5, weighted.data(), &loss, &hits);
  backend->cross_entropy(1, 2, std::vector<std::int32_t>{1}, {}, 1, one.data(), &expected, &ones);
  expected *= 2;
  backend->cross_entropy(1, 2, std::vector<std::int32_t>{1}, {}, 0.5, three.data(), &expected,
                         &ones);
  EXPECT_EQ(loss, expected);
  EXPECT_EQ(hits, 1);  // rows are counted as they are
  EXPECT_EQ(weighted, (std::vector<double>{one[0], one[1], 0, 0, three[0], three[1]}));
  std::vector<double> part = logits;
  backend->softmax_part(3, 2, target, part.data(), told.data());
  backend->cross_entropy_part(3, 2, target, weight, 0.5, 1, told.data(), part.data(), &in_parts,
                              &part_hits);
  EXPECT_EQ(in_parts, loss);
  EXPECT_EQ(part, weighted);
}

// The classes in parts, one of them empty: the sums of exponentials are taken in another order, and
// each part's is scaled once.
TEST(CrossEntropy, InPartsAsInOne) {
  constexpr std::int64_t kRows = 50, kClasses = 11;
  const auto backend = make_cpu_backend<double>(1);
  const Random random(2, "logits");
  std::vector<double> logits;
  std::vector<std::int32_t> target;
  for (std::uint64_t i = 0; i < kRows * kClasses; ++i) logits.push_back(9 * random.normal(i));
  for (std::uint64_t i = 0; i < kRows; ++i)
    target.push_back(static_cast<std::int32_t>(random.below(i, kClasses)));
  struct Part {
    std::int64_t lo, hi;
    std::vector<double> logits;
    std::vector<std::int32_t> target;
  };
  std::vector<Part> parts = {{0, 5, {}, {}}, {5, 5, {}, {}}, {5, 6, {}, {}}, {6, 11, {}, {}}};
  std::vector<double> told(parts.size() * kRows * kSoftmaxPart);
  for (size_t p = 0; p < parts.size(); ++p) {
    Part& part = parts[p];
    for (std::int64_t r = 0; r < kRows; ++r) {
      for (std::int64_t c = part.lo; c < part.hi; ++c)
        part.logits.push_back(logits[static_cast<size_t>(r * kClasses + c)]);
      const std::int32_t wanted = target[static_cast<size_t>(r)];
      const bool own = wanted >= part.lo && wanted < part.hi;
      part.target.push_back(own ? wanted - static_cast<std::int32_t>(part.lo) : -1);
    }
    backend->softmax_part(kRows, part.hi - part.lo, part.target, part.logits.data(),
                          told.data() + static_cast<std::int64_t>(p) * kRows * kSoftmaxPart);
  }
  double whole_loss = 0;
  std::int64_t whole_hits = 0;
  backend->cross_entropy(kRows, kClasses, target, {}, 0.25, logits.data(), &whole_loss,
                         &whole_hits);
  EXPECT_GT(whole_hits, 0);
  for (Part& part : parts) {
    double loss = 0.5;
    std::int64_t hits = 7;
    const std::int64_t classes = part.hi - part.lo;
    backend->cross_entropy_part(kRows, classes, part.target, {}, 0.25, 4, told.data(),
                                part.logits.data(), &loss, &hits);
    EXPECT_NEAR(loss, whole_loss + 0.5, 1e-14 * whole_loss);
    EXPECT_EQ(hits, whole_hits + 7);
    for (std::int64_t r = 0; r < kRows; ++r)
      for (std::int64_t c = 0; c < classes; ++c)  // numbers up to 0.25 after some ten roundings
        EXPECT_NEAR(part.logits[static_cast<size_t>(r * classes + c)],
                    logits[static_cast<size_t>(r * kClasses + part.lo + c)], 1e-15);
  }
}

}  // namespace
}  // namespace ortho
