// cuBLAS and NCCL of the simulated device: right answers, and wrong arguments refused.
#include <cublas_v2.h>
#include <gtest/gtest.h>
#include <nccl.h>

#include <functional>
#include <set>
#include <thread>

#include "tests/support/cudasim/kit.h"

namespace ortho {
namespace {

using sim::begin;
using test::OnDevice;
using test::TestStream;

class Products {
 public:
  Products() {
    EXPECT_EQ(cublasCreate(&handle), CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(cublasSetStream(handle, stream), CUBLAS_STATUS_SUCCESS);
  }
  Products(const Products&) = delete;
  Products& operator=(const Products&) = delete;
  ~Products() { cublasDestroy(handle); }

  TestStream stream;
  cublasHandle_t handle = nullptr;
};

TEST(CudasimBlas, Multiplies) {
  begin({});
  const Products on;
  const float one = 1, two = 2, zero = 0;
  const OnDevice<float> a({1, 2, 3, 4, 5, 6}, on.stream);  // 2 x 3, by columns
  const OnDevice<float> b({1, 0, 2, 0, 1, 1}, on.stream);  // 3 x 2
  const OnDevice<float> c(4);
  EXPECT_EQ(cublasSgemm_64(on.handle, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 3, &one, a.data(), 2,
                           b.data(), 3, &zero, c.data(), 2),
            CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(c.values(on.stream), (std::vector<float>{11, 14, 8, 10}));  // beta 0 ignores NaN
  EXPECT_EQ(cublasSgemm_64(on.handle, CUBLAS_OP_T, CUBLAS_OP_T, 3, 3, 2, &two, a.data(), 2,
                           b.data(), 3, &zero, c.data(), 3),
            CUBLAS_STATUS_INVALID_VALUE);
  test::expect_violation("C needs 9 elements, its memory has 4");
  const OnDevice<float> batch(8);
  EXPECT_EQ(
      cublasSgemmStridedBatched_64(on.handle, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 2, &one, a.data(), 2,
                                   2, b.data(), 2, 2, &zero, batch.data(), 2, 4, 2),
      CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(batch.values(on.stream), (std::vector<float>{1, 2, 2, 4, 6, 8, 8, 10}));
}

TEST(CudasimBlas, FindsAWrongLeadingDimension) {
  begin({});
  const Products on;
  const float one = 1, zero = 0;
  const OnDevice<float> a({1, 2, 3, 4, 5, 6}, on.stream), b({1, 0, 2, 0, 1, 1}, on.stream), c(4);
  const auto multiply = [&](std::int64_t lda, std::int64_t ldb) {
    return cublasSgemm_64(on.handle, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 3, &one, a.data(), lda,
                          b.data(), ldb, &zero, c.data(), 2);
  };
  EXPECT_EQ(multiply(1, 3), CUBLAS_STATUS_INVALID_VALUE);
  test::expect_violation("the leading dimension of A is 1, its columns have 2 rows");
  EXPECT_EQ(multiply(3, 3), CUBLAS_STATUS_INVALID_VALUE);
  test::expect_violation("A needs 8 elements, its memory has 6 (leading dimension 3)");
  EXPECT_EQ(multiply(2, 2), CUBLAS_STATUS_INVALID_VALUE);
  test::expect_violation("the leading dimension of B is 2");
  const std::vector<float> here(6);
  EXPECT_EQ(cublasSgemm_64(on.handle, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 3, &one, here.data(), 2,
                           b.data(), 3, &zero, c.data(), 2),
            CUBLAS_STATUS_INVALID_VALUE);
  test::expect_violation("A is not memory of device 0");
}

// A thread a rank, each on its device; `body` gets a communicator of all, ready or not.
void run_ranks(int ranks, bool blocking,
               const std::function<void(int, ncclComm_t, cudaStream_t)>& body) {
  ncclUniqueId id{};
  ASSERT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank)
    threads.emplace_back([&, rank] {
      check_cuda(cudaSetDevice(rank));
      const TestStream stream;
      ncclComm_t communicator = nullptr;
      ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
      config.blocking = blocking ? 1 : 0;
      const ncclResult_t result = ncclCommInitRankConfig(&communicator, ranks, id, rank, &config);
      EXPECT_EQ(result, blocking ? ncclSuccess : ncclInProgress);
      body(rank, communicator, stream);
      check_cuda(cudaStreamSynchronize(stream));
      EXPECT_EQ(ncclCommDestroy(communicator), ncclSuccess);
    });
  for (std::thread& thread : threads) thread.join();
}

TEST(CudasimNccl, RunsCollectives) {
  for (const std::uint64_t seed : test::kSeeds) {
    begin({.seed = seed});
    run_ranks(3, true, [](int rank, ncclComm_t all, cudaStream_t stream) {
      const auto mine = static_cast<float>(rank + 1);
      const OnDevice<float> from({mine, 10 * mine, 100 * mine}, stream), sum(3), whole(9), part(1);
      ncclAllReduce(from.data(), sum.data(), 3, ncclFloat32, ncclSum, all, stream);
      ncclAllGather(from.data(), whole.data(), 3, ncclFloat32, all, stream);
      ncclReduceScatter(from.data(), part.data(), 1, ncclFloat32, ncclSum, all, stream);
      ncclBroadcast(from.data(), from.data(), 3, ncclFloat32, 2, all, stream);
      EXPECT_EQ(sum.values(stream), (std::vector<float>{6, 60, 600}));
      EXPECT_EQ(whole.values(stream), (std::vector<float>{1, 10, 100, 2, 20, 200, 3, 30, 300}));
      EXPECT_EQ(part.values(stream)[0], sum.values(stream)[static_cast<size_t>(rank)]);
      EXPECT_EQ(from.values(stream), (std::vector<float>{3, 30, 300}));
    });
    EXPECT_EQ(sim::take_violations(), std::vector<std::string>{});
  }
}

// Sums come in any order, as NCCL's may: 1e8 + 1 - 1e8 is 0 or 1.
TEST(CudasimNccl, PromisesNoOrderOfAdding) {
  std::set<float> seen;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    begin({.seed = seed});
    run_ranks(3, true, [&](int rank, ncclComm_t all, cudaStream_t stream) {
      const float values[] = {1e8f, 1.0f, -1e8f};
      const OnDevice<float> one(std::vector<float>{values[rank]}, stream);
      ncclAllReduce(one.data(), one.data(), 1, ncclFloat32, ncclSum, all, stream);
      const float sum = one.values(stream)[0];
      if (rank == 0) seen.insert(sum);
    });
  }
  EXPECT_EQ(seen.size(), 2U);
}

TEST(CudasimNccl, AWaitingCommunicatorMayNotBeUsed) {
  begin({});
  run_ranks(2, false, [](int, ncclComm_t all, cudaStream_t stream) {
    const OnDevice<float> one(1);
    EXPECT_EQ(ncclAllReduce(one.data(), one.data(), 1, ncclFloat32, ncclSum, all, stream),
              ncclInvalidUsage);
  });
  const std::vector<std::string> found = sim::take_violations();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_NE(found[0].find("while the communicator is in progress"), std::string::npos);
}

TEST(CudasimNccl, RefusesTwoRanksOnOneDevice) {
  begin({});
  ncclUniqueId id{};
  ASSERT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 2; ++rank)
    threads.emplace_back([&, rank] {
      ncclComm_t all = nullptr;
      EXPECT_EQ(ncclCommInitRankConfig(&all, 2, id, rank, nullptr), ncclInvalidUsage);
      EXPECT_NE(std::string(ncclGetLastError(all)).find("Duplicate GPU detected: ranks 0 and 1"),
                std::string::npos);
      EXPECT_EQ(ncclCommAbort(all), ncclSuccess);
    });
  for (std::thread& thread : threads) thread.join();
}

TEST(CudasimNccl, RefusesMemoryOfTheHostAndShortMemory) {
  begin({});
  run_ranks(1, true, [](int, ncclComm_t all, cudaStream_t stream) {
    const OnDevice<float> three(3);
    EXPECT_EQ(ncclAllGather(three.data(), three.data(), 4, ncclFloat32, all, stream),
              ncclInvalidUsage);
    test::expect_violation("sends 16 bytes, the allocation has 12 from there on");
  });
  run_ranks(1, true, [](int, ncclComm_t all, cudaStream_t stream) {
    const OnDevice<float> three(3);
    std::vector<float> here(3);
    EXPECT_EQ(ncclBroadcast(three.data(), here.data(), 3, ncclFloat32, 0, all, stream),
              ncclInvalidUsage);
    test::expect_violation("fills what is not memory of device 0");
  });
}

}  // namespace
}  // namespace ortho
