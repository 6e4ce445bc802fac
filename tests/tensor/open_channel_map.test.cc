// Channel maps of sparse weights against the maps of the whole weight.
#include <gtest/gtest.h>

#include "tensor/backend.h"
#include "tensor/cpu/break_even.h"
#include "tensor/cpu/dense_isa.h"
#include "tests/support/dense_terms.h"

namespace ortho {
namespace {

struct Case {
  std::int64_t rows, in, out;
  double density;
};

// One row, less and more than a tile, widths of no vector, no open weight at all, all open.
constexpr Case kCases[] = {{1, 5, 3, 0.2},     {64, 16, 32, 0.1}, {70, 33, 47, 0.24},
                           {300, 128, 9, 0.1}, {513, 7, 65, 0.2}, {20, 6, 5, 0.0},
                           {200, 12, 40, 1.0}};

template <class T>
std::vector<T> sparse_numbers(std::int64_t count, double density) {
  std::vector<T> values = whole_numbers<T>(count, 3);
  const Random open(4, "open");
  for (std::int64_t i = 0; i < count; ++i)
    if (open.uniform(static_cast<std::uint64_t>(i)) >= density) values[static_cast<size_t>(i)] = 0;
  return values;
}

// Forward, dx and dw of whole numbers: exact in any order of adding.
template <class T>
void expect_same(const Case& one, Order order, double told_density) {
  SCOPED_TRACE(testing::Message() << one.rows << " x " << one.in << " x " << one.out << ", "
                                  << one.density);
  const auto backend = make_cpu_backend<T>(1);
  const Nodes nodes{one.rows, 1, one.in, order};
  const auto x = whole_numbers<T>(one.rows * one.in, 1),
             dy = whole_numbers<T>(one.rows * one.out, 2);
  const auto w = sparse_numbers<T>(one.in * one.out, one.density);
  const auto size = static_cast<size_t>(one.in * one.out);
  std::vector<T> values(size);
  std::vector<std::int32_t> inputs(size + static_cast<size_t>(std::max(one.in, one.out)) + 1);
  const OpenRoom<T> room{told_density, values.data(), inputs.data()};
  for (const bool add : {false, true}) {
    std::vector<T> y(dy.size(), 3), y_dense = y, dx(x.size(), 5), dx_dense = dx;
    backend->channel_map(nodes, one.out, x.data(), w.data(), y_dense.data(), add);
    backend->open_channel_map(nodes, one.out, room, x.data(), w.data(), y.data(), add);
    EXPECT_EQ(y, y_dense);
    backend->channel_map_dx(nodes, one.out, dy.data(), w.data(), dx_dense.data(), add);
    backend->open_channel_map_dx(nodes, one.out, room, dy.data(), w.data(), dx.data(), add);
    EXPECT_EQ(dx, dx_dense);
  }
  std::vector<T> dw(size, 7), dw_dense = dw;
  backend->channel_map_dw(nodes, one.out, x.data(), dy.data(), dw_dense.data());
  backend->open_channel_map_dw(nodes, one.out, room, x.data(), dy.data(), w.data(), dw.data());
  const bool skips = order == Order::channels_inner && told_density < kOpenChannelsDw;
  for (size_t i = 0; i < size; ++i)
    EXPECT_EQ(dw[i], w[i] != 0 || !skips ? dw_dense[i] : T(7)) << "weight " << i;
}

TEST(OpenChannelMap, IsTheMapOfTheWholeWeight) {
  for (const Case& one : kCases) {
    expect_same<float>(one, Order::channels_inner, 0.01);
    expect_same<double>(one, Order::channels_inner, 0.01);
  }
}

TEST(OpenChannelMap, AboveTheBreakEvenAndWithTheBatchInsideNothingIsSkipped) {
  expect_same<float>(kCases[2], Order::channels_inner, 0.9);
  expect_same<float>(kCases[2], Order::batch_inner, 0.01);
}

// Each output is one chain over its inputs: how many rows there are beside it changes no bit.
TEST(OpenChannelMap, ARowDoesNotDependOnTheOthers) {
  const auto backend = make_cpu_backend<float>(1);
  constexpr std::int64_t kRows = 133, kIn = 37, kOut = 41;
  std::vector<float> x(kRows * kIn), w = sparse_numbers<float>(kIn * kOut, 0.2);
  const Random random(1, "x");
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(random.normal(i));
  std::vector<float> values(w.size()), all(kRows * kOut), alone(kOut);
  std::vector<std::int32_t> inputs(w.size() + kOut + 1);
  const OpenRoom<float> room{0.01, values.data(), inputs.data()};
  backend->open_channel_map({kRows, 1, kIn, Order::channels_inner}, kOut, room, x.data(), w.data(),
                            all.data(), false);
  for (std::int64_t row = 0; row < kRows; ++row) {
    backend->open_channel_map({1, 1, kIn, Order::channels_inner}, kOut, room, x.data() + row * kIn,
                              w.data(), alone.data(), false);
    for (std::int64_t o = 0; o < kOut; ++o)
      ASSERT_EQ(alone[static_cast<size_t>(o)], all[static_cast<size_t>(row * kOut + o)])
          << "row " << row;
  }
}

// The tiles of each instruction set this machine has, on whole numbers.
TEST(OpenChannelMap, EveryInstructionSetAgrees) {
  constexpr std::int64_t kRows = 300, kIn = 37, kOut = 45;
  const auto x = whole_numbers<float>(kRows * kIn, 1), v = whole_numbers<float>(kRows * kOut, 2);
  std::vector<float> values = whole_numbers<float>(kOut * 3, 5);
  std::vector<std::int32_t> inputs, starts = {0};
  for (std::int32_t o = 0; o < kOut; ++o) {
    for (std::int32_t n = 0; n < 3; ++n) inputs.push_back((o * 5) % 20 + 8 * n);
    starts.push_back(static_cast<std::int32_t>(inputs.size()));
  }
  std::vector<float> expected(kRows * kOut, 0), dots = values;
  for (size_t row = 0; row < kRows; ++row)
    for (size_t o = 0; o < kOut; ++o)
      for (size_t e = 3 * o; e < 3 * o + 3; ++e) {
        const float in = x[row * kIn + static_cast<size_t>(inputs[e])];
        expected[row * kOut + o] += values[e] * in;
        dots[e] += in * v[row * kOut + o];
      }
  std::vector<const DenseKernels<float>*> sets = {&dense_baseline_float};
  if (__builtin_cpu_supports("x86-64-v3")) sets.push_back(&dense_avx2_float);
  if (__builtin_cpu_supports("x86-64-v4")) sets.push_back(&dense_avx512_float);
  for (const DenseKernels<float>* kernels : sets) {
    std::vector<float> y(kRows * kOut), sums = values;
    kernels->open_channels({{values.data(), inputs.data(), starts.data()},
                            x.data(),
                            y.data(),
                            kRows,
                            kIn,
                            kOut,
                            false});
    EXPECT_EQ(y, expected);
    kernels->open_channels_dots({{sums.data(), inputs.data(), starts.data()},
                                 x.data(),
                                 v.data(),
                                 kRows,
                                 kIn,
                                 kOut,
                                 0,
                                 kOut});
    EXPECT_EQ(sums, dots);
  }
}

}  // namespace
}  // namespace ortho
