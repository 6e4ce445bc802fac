// Streams, events, graphs and memory of the simulated device: what is legal works under every seed,
// and each fault that a GPU forgives most of the time is found.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>

#include "tests/support/cudasim/kit.h"

namespace ortho {
namespace {

using sim::begin;
using test::OnDevice;
using test::TestEvent;
using test::TestStream;

__global__ void add_to(const float* from, float* into, int count) {
  const auto i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) into[i] = from[i] + 1;
}

void add_on(cudaStream_t stream, const OnDevice<float>& from, const OnDevice<float>& into) {
  launch(add_to, Grid{dim3(1), dim3(32)}, stream, from.data(), into.data(),
         static_cast<int>(from.size()));
}

TEST(CudasimOrder, NothingRunsBeforeTheHostWaits) {
  begin({});
  const TestStream stream;
  const OnDevice<float> a(std::vector<float>{1, 2, 3}, stream), b(3);
  const std::int64_t before = sim::works_done(0);
  add_on(stream, a, b);
  EXPECT_EQ(sim::works_done(0), before);
  EXPECT_EQ(b.values(stream), (std::vector<float>{2, 3, 4}));
  EXPECT_EQ(sim::works_done(0), before + 2);
}

TEST(CudasimOrder, PollingMovesWorkOn) {
  begin({});
  const TestStream stream;
  const OnDevice<float> a(std::vector<float>{1}, stream), b(1);
  add_on(stream, a, b);
  int polls = 0;
  while (cudaStreamQuery(stream) == cudaErrorNotReady) ASSERT_LT(++polls, 1000);
  EXPECT_EQ(b.values(stream)[0], 2.0f);
}

// b = a + 1 in one stream, c = b + 1 in another that waits for it or not; then c is read.
float chained(std::uint64_t seed, bool waits) {
  begin({.seed = seed});
  const TestStream first, second;
  const TestEvent event;
  const OnDevice<float> a(std::vector<float>{1}, first), b(1), c(1);
  add_on(first, a, b);
  check_cuda(cudaEventRecord(event, first));
  if (waits) check_cuda(cudaStreamWaitEvent(second, event, 0));
  add_on(second, b, c);
  return c.values(second)[0];
}

TEST(CudasimOrder, EventsOrderStreams) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) EXPECT_EQ(chained(seed, true), 3.0f) << seed;
}

TEST(CudasimOrder, FindsAMissingWait) {
  int found = 0;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) found += std::isnan(chained(seed, false)) ? 1 : 0;
  EXPECT_GE(found, 2);  // half of the draws put the second stream first
  EXPECT_LE(found, 7);
}

// Two launches of a graph with a fork: a -> b on one stream, b -> c on the other, joined.
TEST(CudasimOrder, ReplaysGraphs) {
  for (const std::uint64_t seed : test::kSeeds) {
    begin({.seed = seed});
    const TestStream main, side;
    const TestEvent forked, joined;
    const OnDevice<float> a(std::vector<float>{1}, main), b(1), c(1);
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t runs = nullptr;
    check_cuda(cudaStreamBeginCapture(main, cudaStreamCaptureModeThreadLocal));
    add_on(main, a, b);
    check_cuda(cudaEventRecord(forked, main));
    check_cuda(cudaStreamWaitEvent(side, forked, 0));
    add_on(side, b, c);
    check_cuda(cudaEventRecord(joined, side));
    check_cuda(cudaStreamWaitEvent(main, joined, 0));
    add_on(main, c, a);
    check_cuda(cudaStreamEndCapture(main, &graph));
    check_cuda(cudaGraphInstantiate(&runs, graph, 0));
    EXPECT_EQ(a.values(main)[0], 1.0f) << "recording ran it";
    check_cuda(cudaGraphLaunch(runs, main));
    EXPECT_EQ(a.values(main)[0], 4.0f);
    check_cuda(cudaGraphLaunch(runs, main));
    check_cuda(cudaGraphLaunch(runs, main));
    EXPECT_EQ(a.values(main)[0], 10.0f);
    check_cuda(cudaGraphExecDestroy(runs));
    check_cuda(cudaGraphDestroy(graph));
    EXPECT_TRUE(sim::take_violations().empty());
  }
}

TEST(CudasimOrder, RefusesUnjoinedCaptures) {
  begin({});
  const TestStream main, side;
  const TestEvent forked;
  const OnDevice<float> a(std::vector<float>{1}, main), b(1), c(1);
  cudaGraph_t graph = nullptr;
  check_cuda(cudaStreamBeginCapture(main, cudaStreamCaptureModeThreadLocal));
  add_on(main, a, b);
  check_cuda(cudaEventRecord(forked, main));
  check_cuda(cudaStreamWaitEvent(side, forked, 0));
  add_on(side, b, c);
  EXPECT_EQ(cudaStreamEndCapture(main, &graph), cudaErrorStreamCaptureUnjoined);
  test::expect_violation("not joined");
}

TEST(CudasimOrder, RefusesWhatACaptureForbids) {
  begin({});
  const TestStream main, other;
  const TestEvent before;
  check_cuda(cudaEventRecord(before, other));
  cudaGraph_t graph = nullptr;
  void* memory = nullptr;
  check_cuda(cudaStreamBeginCapture(main, cudaStreamCaptureModeThreadLocal));
  EXPECT_EQ(cudaStreamSynchronize(main), cudaErrorStreamCaptureUnsupported);
  test::expect_violation("cudaStreamSynchronize while a graph records");
  EXPECT_EQ(cudaStreamQuery(other), cudaErrorStreamCaptureUnsupported);
  test::expect_violation("cudaStreamQuery while a graph records");
  EXPECT_EQ(cudaMalloc(&memory, 4), cudaErrorStreamCaptureUnsupported);
  test::expect_violation("allocates while a graph records");
  EXPECT_EQ(cudaStreamWaitEvent(main, before, 0), cudaErrorStreamCaptureIsolation);
  test::expect_violation("from before the capture");
  check_cuda(cudaStreamEndCapture(main, &graph));
  check_cuda(cudaGraphDestroy(graph));
}

TEST(CudasimMemory, IsNotANumberAtBirth) {
  begin({});
  const TestStream stream;
  for (const float value : OnDevice<float>(9).values(stream)) EXPECT_TRUE(std::isnan(value));
  void* pinned = nullptr;
  check_cuda(cudaMallocHost(&pinned, 8));
  EXPECT_TRUE(std::isnan(static_cast<float*>(pinned)[1]));
  check_cuda(cudaFreeHost(pinned));
}

TEST(CudasimMemory, RefusesWrongCopies) {
  begin({});
  const TestStream stream;
  const OnDevice<float> there(3);
  std::vector<float> here(4);
  EXPECT_EQ(cudaMemcpyAsync(there.data(), here.data(), 12, cudaMemcpyDeviceToHost, stream),
            cudaErrorInvalidMemcpyDirection);
  test::expect_violation("a copy device to host with pointers host to device");
  EXPECT_EQ(cudaMemcpyAsync(there.data(), here.data(), 16, cudaMemcpyHostToDevice, stream),
            cudaErrorInvalidValue);
  test::expect_violation("copies to 16 bytes, the allocation has 12 from there on");
  EXPECT_NE(cudaMemcpy(there.data(), here.data(), 12, cudaMemcpyHostToDevice), cudaSuccess);
  test::expect_violation("legacy default stream");
  EXPECT_NE(cudaMemcpyAsync(there.data(), here.data(), 12, cudaMemcpyHostToDevice, nullptr),
            cudaSuccess);
  test::expect_violation("legacy default stream");
  EXPECT_EQ(cudaMemsetAsync(here.data(), 0, 4, stream), cudaErrorInvalidValue);
  test::expect_violation("memory of the host");
}

TEST(CudasimMemory, SaysWhenItIsFull) {
  begin({.device_bytes = 1000});
  const OnDevice<std::byte> some(600);
  try {
    const OnDevice<std::byte> more(500);
    ADD_FAILURE() << "there was room";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("cudaErrorMemoryAllocation"), std::string::npos);
    EXPECT_NE(std::string(e.what()).find("a smaller batch or more ranks"), std::string::npos);
  }
  std::size_t free = 0, total = 0;
  check_cuda(cudaMemGetInfo(&free, &total));
  EXPECT_EQ(free, 400U);
}

TEST(CudasimMemory, FailsTheAllocationThatATestChose) {
  begin({});
  sim::set_faults(0, {.allocation = 1});
  const OnDevice<float> first(1);
  EXPECT_THROW(OnDevice<float>(1), Error);
  const OnDevice<float> third(1);
}

TEST(CudasimMemory, KnowsItsDevices) {
  begin({.devices = 2});
  const TestStream of_first;
  check_cuda(cudaSetDevice(1));
  const OnDevice<float> on_second(4);
  EXPECT_EQ(cudaMemsetAsync(on_second.data(), 0, 4, of_first), cudaErrorInvalidValue);
  test::expect_violation("memory of device 1 in a stream of device 0");
  EXPECT_EQ(cudaSetDevice(2), cudaErrorInvalidDevice);
  test::expect_violation("there is no device 2");
}

TEST(CudasimMemory, WithoutADriverEveryCallSaysSo) {
  begin({.driver = false});
  int count = 7, version = 1;
  void* memory = nullptr;
  cudaStream_t stream = nullptr;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
  EXPECT_EQ(count, 7);
  EXPECT_EQ(cudaMalloc(&memory, 4), cudaErrorInsufficientDriver);
  EXPECT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaErrorInsufficientDriver);
  EXPECT_EQ(cudaDriverGetVersion(&version), cudaSuccess);
  EXPECT_EQ(version, 0);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInsufficientDriver);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

using CudasimDeathTest = testing::Test;

TEST(CudasimDeathTest, TheHostMayNotTouchDeviceMemory) {
  begin({});
  const OnDevice<float> there(10);
  EXPECT_DEATH(there.data()[2] = 1,
               "the host touches byte 8 of memory of 40 bytes: it lies on the");
  EXPECT_DEATH(std::printf("%f", double{there.data()[2]}),
               "the host touches byte 8 of memory of 40 bytes");
}

__global__ void write_at(float* memory, int index) { memory[index] = 1; }

TEST(CudasimDeathTest, KernelsMayNotLeaveTheirMemory) {
  begin({});
  const TestStream stream;
  const OnDevice<float> there(64);  // 256 bytes: nothing lies between its end and the closed page
  const auto run = [&] {
    launch(write_at, Grid{dim3(1), dim3(1)}, stream, there.data(), 64);
    check_cuda(cudaStreamSynchronize(stream));
  };
  EXPECT_DEATH(run(), "the device touches byte 256 of memory of 256 bytes");
}

TEST(CudasimMemory, FindsWritesBehindShortAllocations) {
  begin({});
  const TestStream stream;
  {
    const OnDevice<float> there(3);
    launch(write_at, Grid{dim3(1), dim3(1)}, stream, there.data(), 3);
    check_cuda(cudaStreamSynchronize(stream));
  }
  test::expect_violation("memory of 12 bytes was written at byte 12");
}

}  // namespace
}  // namespace ortho
