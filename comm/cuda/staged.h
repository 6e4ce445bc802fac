// The staged device channel: device -> pinned host memory -> the host channel -> device.
//
// For ranks that share a GPU, machines without NCCL between their GPUs, and tests. The host takes
// part in every operation: it waits there for the work before it, so nothing overlaps.
#pragma once

#include <memory>

#include "comm/channel.h"
#include "comm/device_channel.h"
#include "tensor/cuda/cuda_device.h"

namespace ortho {

// `device` and `host` outlive it; the channels split from it own theirs. Collective.
std::unique_ptr<DeviceChannel> make_staged_channel(CudaDevice& device, Channel& host,
                                                   const DeviceChannelSetting& setting = {});

}  // namespace ortho
