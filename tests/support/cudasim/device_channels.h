// What a device channel must do, over NCCL and staged: called on every rank by
// device_channel.test.cc (ranks are threads) and device_channel.mpitest.cc (processes).
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "comm/cuda/device_exchange.h"
#include "comm/cuda/nccl.h"
#include "comm/cuda/staged.h"
#include "tensor/device.h"
#include "tests/support/collectives.h"
#include "tests/support/exchange_kit.h"

namespace ortho::test {

enum class Carried { by_nccl, staged };

inline std::unique_ptr<DeviceChannel> device_channel(Carried carried, CudaDevice& device,
                                                     Channel& host, double deadline_sec = 30) {
  const DeviceChannelSetting setting{.deadline_sec = deadline_sec};
  return carried == Carried::by_nccl ? make_nccl_channel(device, host, setting)
                                     : make_staged_channel(device, host, setting);
}

template <class T>
std::vector<T> values_of(Device& device, const DeviceArray<T>& array) {
  std::vector<T> values(static_cast<size_t>(array.size()));
  device.download(array.data(), values.data(), array.size() * std::int64_t{sizeof(T)});
  return values;
}

// Sums of values whose rounding depends on the order: equal to those of the host's channel.
template <class T>
void check_device_sums(CudaDevice& device, Channel& host, DeviceChannel& channel) {
  for (const std::int64_t count : {7, 20001}) {
    std::vector<T> values = rank_values<T>(host.rank(), count);
    DeviceArray<T> array(device, std::span<const T>(values), "a test");
    host.sum(std::span<T>(values));
    channel.sum("a sum", array.data(), count);
    channel.join();
    channel.wait("the sum");
    EXPECT_EQ(values_of(device, array), values) << count;
  }
}

inline void check_device_broadcast(CudaDevice& device, DeviceChannel& channel) {
  for (int root = 0; root < channel.ranks(); ++root) {
    const float mine = static_cast<float>(10 * channel.rank() + root);
    DeviceArray<float> array(device, std::span<const float>(&mine, 1), "a test");
    channel.broadcast("a broadcast", array.data(), sizeof(float), root);
    channel.join();
    EXPECT_EQ(values_of(device, array)[0], static_cast<float>(11 * root));
  }
}

// Even and odd ranks apart, the last first.
inline void check_device_split(CudaDevice& device, DeviceChannel& channel) {
  const auto half = channel.split(channel.rank() % 2, "mesh axis of the test");
  EXPECT_EQ(half->rank(), channel.rank() / 2);
  EXPECT_EQ(half->ranks(), (channel.ranks() + 1 - channel.rank() % 2) / 2);
  const float one = 1;
  DeviceArray<float> array(device, std::span<const float>(&one, 1), "a test");
  half->sum("ones", array.data(), 1);
  half->join();
  EXPECT_EQ(values_of(device, array)[0], static_cast<float>(half->ranks()));
  channel.sum("ones of the halves", array.data(), 1);
  channel.join();
  const int odd = channel.ranks() / 2, even = channel.ranks() - odd;
  EXPECT_EQ(values_of(device, array)[0], static_cast<float>(even * even + odd * odd));
}

// One way on the device against the same plan on the CPU, over and added to what was there. Twice:
// the second time from other values, so what is left of the first cannot be right by accident.
inline void check_device_way(CudaDevice& device, Exchange<float>& cpu, DeviceExchange<float>& gpu,
                             Way way) {
  const Plan& plan = cpu.plan();
  const std::int64_t count = elements(plan.from(way).shape),
                     result = elements(plan.into(way).shape);
  std::vector<float> workspace(static_cast<size_t>(plan.workspace()));
  DeviceArray<float> room(device, plan.workspace(), "a test");
  for (const Fill fill : {Fill::over, Fill::add}) {
    std::vector<float> from(static_cast<size_t>(count)), into(static_cast<size_t>(result), 0.5f);
    for (std::int64_t i = 0; i < count; ++i)
      from[static_cast<size_t>(i)] = mark(plan.rank, i) + (fill == Fill::add ? 100.0f : 0.0f);
    DeviceArray<float> x(device, std::span<const float>(from), "a test");
    DeviceArray<float> y(device, std::span<const float>(into), "a test");
    cpu.run(way, from.data(), into.data(), fill, workspace);
    gpu.start(way, x.data(), y.data(), fill, room.data());
    gpu.finish();
    EXPECT_EQ(values_of(device, y), into) << gpu.what();
  }
}

inline void check_device_moves(CudaDevice& device, Channel& host, DeviceChannel& channel,
                               std::uint64_t seed, int cases) {
  for (int number = 0; number < cases; ++number) {
    const MoveCase one = draw_move(seed, static_cast<std::uint64_t>(number), host.ranks());
    const Plan plan = plan_exchange(one.nodes.shape, one.from, one.to, host.rank(), sizeof(float));
    Exchange<float> cpu(plan, host, case_text(one));
    DeviceExchange<float> gpu(plan, device, channel, case_text(one));
    for (const Way way : {Way::forward, Way::backward}) check_device_way(device, cpu, gpu, way);
  }
}

inline void check_device_channel(CudaDevice& device, Channel& host, DeviceChannel& channel) {
  ASSERT_EQ(channel.rank(), host.rank());
  ASSERT_EQ(channel.ranks(), host.ranks());
  check_device_sums<float>(device, host, channel);
  check_device_sums<double>(device, host, channel);
  check_device_broadcast(device, channel);
  check_device_split(device, channel);
}

}  // namespace ortho::test
