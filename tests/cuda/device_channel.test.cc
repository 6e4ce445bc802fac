// Device channels between simulated GPUs, one thread each: what they carry, and that every fault
// ends in time with an error that names rank, axis and operation.
#include <gtest/gtest.h>

#include <functional>

#include "comm/local.h"
#include "tests/support/cudasim/control.h"
#include "tests/support/cudasim/device_channels.h"

namespace ortho {
namespace {

using test::Carried;
constexpr double kDeadlineSec = 2;  // of what hangs: what works takes less on a busy machine too
constexpr std::uint64_t kSeeds[] = {1, 2, 3, 4};
constexpr Carried kKinds[] = {Carried::by_nccl, Carried::staged};

using Body = std::function<void(CudaDevice&, Channel&)>;

void run_gpu_ranks(int ranks, std::uint64_t seed, const Body& body) {
  sim::begin({.seed = seed});
  run_local_ranks(ranks, [&](Channel& host) {
    CudaDevice device(host.rank());
    body(device, host);
  });
}

TEST(DeviceChannel, CarriesLikeTheHostsChannel) {
  for (const Carried kind : kKinds)
    for (const int ranks : {1, 2, 4})
      for (const std::uint64_t seed : kSeeds)
        run_gpu_ranks(ranks, seed, [&](CudaDevice& device, Channel& host) {
          const auto channel = test::device_channel(kind, device, host);
          test::check_device_channel(device, host, *channel);
        });
  EXPECT_EQ(sim::take_violations(), std::vector<std::string>{});
}

TEST(DeviceChannel, MovesBetweenAnyTwoLayouts) {
  for (const Carried kind : kKinds)
    for (const int ranks : {1, 2, 3, 4})
      for (const std::uint64_t seed : kSeeds)
        run_gpu_ranks(ranks, seed, [&](CudaDevice& device, Channel& host) {
          const auto channel = test::device_channel(kind, device, host);
          test::check_device_moves(device, host, *channel, seed, 3);
        });
  EXPECT_EQ(sim::take_violations(), std::vector<std::string>{});
}

// What each rank's Error says; "" if it had none. One on its own wakes those that wait on the host.
std::vector<std::string> errors_of(int ranks, const Body& body) {
  std::vector<std::string> errors(static_cast<size_t>(ranks));
  try {
    run_local_ranks(ranks, [&](Channel& host) {
      try {
        CudaDevice device(host.rank());
        body(device, host);
      } catch (const Error& error) {
        errors[static_cast<size_t>(host.rank())] = error.what();
        throw;
      }
    });
  } catch (const Error&) {  // `errors` has it
  }
  return errors;
}

void expect_says(const std::string& error, const std::string& part) {
  EXPECT_NE(error.find(part), std::string::npos) << "no \"" << part << "\" in: " << error;
}

// Three sums over a mesh axis; ranks that the fault does not stop are stopped by their deadline.
void three_sums(CudaDevice& device, Channel& host, bool skips_one = false) {
  const auto world = test::device_channel(Carried::by_nccl, device, host, kDeadlineSec);
  const auto axis = world->split(0, "mesh axis x");
  DeviceArray<float> values(device, 100, "a test");
  axis->sum("sum 1", values.data(), 100);
  if (!skips_one) axis->sum("sum 2", values.data(), 100);
  axis->broadcast("broadcast 3", values.data(), 400, 0);
  axis->join();
  axis->wait("the loss");
}

TEST(NcclFaults, AHungPeerIsNamed) {
  sim::begin({});
  sim::set_faults(1, {.nccl_hang = 1});
  for (const std::string& error :
       errors_of(2, [](CudaDevice&device, Channel&host) { three_sums(device, host); })) {
    expect_says(error, "mesh axis x, rank");
    expect_says(error, "sum 2: not done after 2 s, in the loss");
  }
}

TEST(NcclFaults, AnAsynchronousErrorIsNamed) {
  sim::begin({});
  sim::set_faults(0, {.nccl_error = 2});
  const std::vector<std::string> errors =
      errors_of(2, [](CudaDevice& device, Channel& host) { three_sums(device, host); });
  expect_says(errors[0], "mesh axis x, rank 0 of 2, broadcast 3");
  expect_says(errors[0], "remote process exited");
  expect_says(errors[1], "mesh axis x, rank 1 of 2, broadcast 3: not done after");
}

TEST(NcclFaults, ASkippedCollectiveIsNamed) {
  sim::begin({});
  const std::vector<std::string> errors = errors_of(
      2, [](CudaDevice& device, Channel& host) { three_sums(device, host, host.rank() == 1); });
  for (const std::string& error : errors) {
    expect_says(error, "mesh axis x, rank");
    expect_says(error, "runs all_gather of 400 elements");
    expect_says(error, "runs broadcast of 400 elements");
  }
}

TEST(NcclFaults, CountsThatDifferAreNamed) {
  sim::begin({});
  const auto errors = errors_of(2, [](CudaDevice& device, Channel& host) {
    const auto world = test::device_channel(Carried::by_nccl, device, host, kDeadlineSec);
    DeviceArray<float> values(device, 100, "a test");
    world->sum("gradients", values.data(), 10 + host.rank());
    world->join();
    world->wait("the step");
  });
  for (const std::string& error : errors) expect_says(error, "of 44 elements");
}

TEST(NcclFaults, ARankThatFailsAloneStopsTheOthers) {
  sim::begin({});
  const auto errors = errors_of(2, [](CudaDevice& device, Channel& host) {
    const auto world = test::device_channel(Carried::by_nccl, device, host, kDeadlineSec);
    DeviceArray<float> values(device, 100, "a test");
    REQUIRE(host.rank() == 0, "a file of this rank is damaged");
    world->sum("gradients", values.data(), 100);
    world->join();
    world->wait("the step");
  });
  expect_says(errors[0], "all ranks, rank 0 of 2, gradients: not done after 2 s, in the step");
  expect_says(errors[1], "a file of this rank is damaged");
}

TEST(NcclFaults, ACommunicatorThatNeverBeginsIsNamed) {
  sim::begin({});
  sim::set_faults(1, {.init_hang = true});
  const auto errors = errors_of(2, [](CudaDevice& device, Channel& host) {
    test::device_channel(Carried::by_nccl, device, host, kDeadlineSec);
  });
  for (const std::string& error : errors)
    expect_says(error, "joining the ranks: is in progress for more than 2 s");
}

TEST(NcclFaults, FailedAllocationsAreNamed) {
  for (const Carried kind : kKinds) {
    sim::begin({});
    const auto errors = errors_of(2, [&](CudaDevice& device, Channel& host) {
      const auto world = test::device_channel(kind, device, host, kDeadlineSec);
      DeviceArray<float> values(device, 100, "a test");
      if (host.rank() == 1) sim::set_faults(1, {.allocation = 0});
      world->sum("gradients", values.data(), 100);
      world->join();
      world->wait("the step");
    });
    expect_says(errors[1], "what ranks send each other");
  }
}

TEST(NcclFaults, TwoRanksOnOneGpuAreRefusedUnlessStaged) {
  for (const Carried kind : kKinds) {
    sim::begin({});
    const auto errors = errors_of(2, [&](CudaDevice&, Channel& host) {
      CudaDevice first(0);
      test::device_channel(kind, first, host);
    });
    for (const std::string& error : errors) {
      if (kind == Carried::by_nccl)
        expect_says(error, "ranks 0 and 1 use one GPU");
      else
        EXPECT_EQ(error, "");
    }
  }
}

}  // namespace
}  // namespace ortho
