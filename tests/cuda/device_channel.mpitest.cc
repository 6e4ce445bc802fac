// Device channels between processes: simulated NCCL over MPI, staged copies over the MPI channel.
#include <gtest/gtest.h>

#include "comm/mpi.h"
#include "tests/support/cudasim/control.h"
#include "tests/support/cudasim/device_channels.h"
#include "tests/support/cudasim/wire.h"

namespace ortho {
namespace {

using test::Carried;
constexpr double kDeadlineSec = 2;  // of what hangs: what works takes less on a busy machine too

void check_carried(Carried carried) {
  sim::use_mpi();
  for (const std::uint64_t seed : {1, 2, 3, 4}) {
    sim::begin({.seed = seed});
    const auto host = make_world_channel();
    CudaDevice device(host->rank());
    const auto channel = test::device_channel(carried, device, *host);
    test::check_device_channel(device, *host, *channel);
    test::check_device_moves(device, *host, *channel, seed, 5);
    EXPECT_EQ(sim::take_violations(), std::vector<std::string>{});
  }
}

TEST(MpiDeviceChannel, NcclCarriesLikeTheHostsChannel) { check_carried(Carried::by_nccl); }
TEST(MpiDeviceChannel, StagedCarriesLikeTheHostsChannel) { check_carried(Carried::staged); }

// Each rank finds by its own deadline that one of them did not come.
TEST(MpiDeviceChannel, AHungPeerEndsInTime) {
  sim::use_mpi();
  sim::begin({});
  const auto host = make_world_channel();
  if (host->ranks() == 1) GTEST_SKIP() << "one rank waits for nobody";
  sim::set_faults(host->rank(), {.nccl_hang = host->rank() == 1 ? 0 : -1});
  CudaDevice device(host->rank());
  const auto channel = test::device_channel(Carried::by_nccl, device, *host, kDeadlineSec);
  DeviceArray<float> values(device, 100, "a test");
  channel->sum("gradients", values.data(), 100);
  channel->join();
  try {
    channel->wait("the step");
    ADD_FAILURE() << "nothing hung";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("gradients: not done after 2 s, in the step"),
              std::string::npos)
        << error.what();
  }
  host->barrier();
}

}  // namespace
}  // namespace ortho
