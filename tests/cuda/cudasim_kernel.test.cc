// The simulated device runs kernels as a GPU may, and finds what a GPU would not forgive.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

#include "tests/support/cudasim/kit.h"

namespace ortho {
namespace {

using sim::begin;
using test::OnDevice;
using test::TestStream;

constexpr int kThreads = 96;

struct Rows {
  const float* from;
  float* sums;
  int columns;
};

// Sums of rows, one block a row: through shared memory, a tree of halves.
template <bool kFirstBarrier>
__global__ void __launch_bounds__(kThreads) sum_rows(Rows rows) {
  float* part = shared_memory<float>();
  const auto thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  const float* row = rows.from + static_cast<long>(blockIdx.x) * rows.columns;
  float sum = 0;
  for (int i = thread; i < rows.columns; i += threads) sum += row[i];
  part[thread] = sum;
  if (kFirstBarrier) __syncthreads();
  for (int half = threads / 2; half >= 3; half /= 2) {
    if (thread < half) part[thread] += part[thread + half];
    __syncthreads();
  }
  if (thread == 0) rows.sums[blockIdx.x] = part[0] + part[1] + part[2];
}

std::vector<float> numbers(std::size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 1.0f);
  return values;
}

constexpr Grid sum_grid(unsigned rows) {
  return {dim3(rows), dim3(kThreads), kThreads * sizeof(float)};
}

template <bool kFirstBarrier>
std::vector<float> sums_of_rows(std::uint64_t seed) {
  begin({.seed = seed});
  const TestStream stream;
  const OnDevice<float> from(numbers(500), stream), sums(5);
  launch(sum_rows<kFirstBarrier>, sum_grid(5), stream, Rows{from.data(), sums.data(), 100});
  return sums.values(stream);
}

TEST(CudasimKernel, SumsRowsThroughSharedMemory) {
  for (const std::uint64_t seed : test::kSeeds) {
    const std::vector<float> sums = sums_of_rows<true>(seed);
    for (std::size_t row = 0; row < sums.size(); ++row)
      EXPECT_EQ(sums[row], 5050.0f + 10000.0f * static_cast<float>(row)) << seed;
    EXPECT_TRUE(sim::take_violations().empty());
  }
}

// Shared memory is NaN at the start of every block, so what was read too early shows.
TEST(CudasimKernel, FindsAMissingBarrier) {
  for (const std::uint64_t seed : test::kSeeds)
    for (const float sum : sums_of_rows<false>(seed)) EXPECT_TRUE(std::isnan(sum)) << seed;
}

__global__ void add_lanes(const int* from, int* sums, int* shifted) {
  const int mine = from[threadIdx.x];
  int sum = mine;
  for (int bits = 16; bits > 0; bits /= 2) sum += __shfl_xor_sync(0xffffffffU, sum, bits);
  sums[threadIdx.x] = sum;
  shifted[threadIdx.x] = __shfl_down_sync(0xffffffffU, mine, 1) * 10000 +
                         __shfl_up_sync(0xffffffffU, mine, 1) * 100 +
                         __shfl_sync(0xffffffffU, mine, 5);
}

TEST(CudasimKernel, ShufflesWithinWarps) {
  for (const std::uint64_t seed : test::kSeeds) {
    begin({.seed = seed});
    const TestStream stream;
    std::vector<int> values(64);
    std::iota(values.begin(), values.end(), 0);
    const OnDevice<int> from(values, stream), sums(64), shifted(64);
    launch(add_lanes, Grid{dim3(1), dim3(64)}, stream, from.data(), sums.data(), shifted.data());
    const std::vector<int> sum = sums.values(stream), shift = shifted.values(stream);
    for (int i = 0; i < 64; ++i) {
      const int first = i / 32 * 32, lane = i % 32;
      EXPECT_EQ(sum[static_cast<std::size_t>(i)], 496 + 32 * first) << i;
      EXPECT_EQ(shift[static_cast<std::size_t>(i)],
                (lane == 31 ? i : i + 1) * 10000 + (lane == 0 ? i : i - 1) * 100 + first + 5);
    }
    EXPECT_TRUE(sim::take_violations().empty());
  }
}

__global__ void two_barriers(int* out) {
  if (threadIdx.x % 2 == 0)
    __syncthreads();
  else
    __syncthreads();
  out[threadIdx.x] = 1;
}

__global__ void some_leave(int* out) {
  if (threadIdx.x == 3) return;
  __syncthreads();
  out[threadIdx.x] = 1;
}

__global__ void absent_lane(int* out) {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_sync(0xffffU, 1, 20);
}

// The call that waits fails, says where the threads are, and so do all calls after it.
void expect_broken(void (*kernel)(int*), const std::string& why) {
  begin({});
  const TestStream stream;
  const OnDevice<int> out(32);
  launch(kernel, Grid{dim3(1), dim3(32)}, stream, out.data());
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorLaunchFailure);
  test::expect_violation(why);
  EXPECT_THROW(launch(kernel, Grid{dim3(1), dim3(32)}, stream, out.data()), Error);
}

TEST(CudasimKernel, NamesThreadsThatDoNotMeet) {
  expect_broken(two_barriers, "waits at the barrier");
  expect_broken(some_leave, "thread (3, 0, 0) has ended");
  expect_broken(absent_lane, "reads lane 20, which takes no part");
}

TEST(CudasimKernel, RefusesLaunchesThatAGpuRefuses) {
  begin({});
  const TestStream stream;
  const OnDevice<int> out(32);
  EXPECT_THROW(launch(some_leave, Grid{dim3(1), dim3(1025)}, stream, out.data()), Error);
  test::expect_violation("a block of 1025 x 1 x 1 threads");
  EXPECT_THROW(launch(some_leave, Grid{dim3(0), dim3(32)}, stream, out.data()), Error);
  test::expect_violation("a grid of 0 x 1 x 1 blocks");
  EXPECT_THROW(launch(some_leave, Grid{dim3(1), dim3(32), 49 << 10}, stream, out.data()), Error);
  test::expect_violation("bytes of shared memory, 49152 are allowed");
  check_cuda(cudaFuncSetAttribute(reinterpret_cast<const void*>(&absent_lane),
                                  cudaFuncAttributeMaxDynamicSharedMemorySize, 64 << 10));
  launch(absent_lane, Grid{dim3(1), dim3(1), 49 << 10}, stream, out.data());
  EXPECT_THROW(launch(some_leave, Grid{dim3(1), dim3(32)}, nullptr, out.data()), Error);
  test::expect_violation("legacy default stream");
}

__global__ void number_threads(int* blocks, int* order, int* next) {
  const auto index = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * blockIdx.x);
  blocks[index] = static_cast<int>(blockIdx.x);
  order[index] = (*next)++;  // one after the other: only a simulated device allows it
}

// Every thread of a grid runs once, in an order that the seed decides.
TEST(CudasimKernel, RunsAllThreadsInSeededOrder) {
  std::set<std::vector<int>> orders;
  for (int repeat = 0; repeat < 2; ++repeat)
    for (const std::uint64_t seed : test::kSeeds) {
      begin({.seed = seed});
      const TestStream stream;
      const OnDevice<int> blocks(60), order(60), next(std::vector<int>{0}, stream);
      launch(number_threads, Grid{dim3(5), dim3(4, 3)}, stream, blocks.data(), order.data(),
             next.data());
      const std::vector<int> found = order.values(stream), block = blocks.values(stream);
      EXPECT_EQ(std::set<int>(found.begin(), found.end()).size(), 60U);
      for (int i = 0; i < 60; ++i) EXPECT_EQ(block[static_cast<std::size_t>(i)], i / 12);
      orders.insert(found);
    }
  EXPECT_EQ(orders.size(), std::size(test::kSeeds));  // different seeds differ, equal ones do not
}

}  // namespace
}  // namespace ortho
