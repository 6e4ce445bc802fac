// The device channel over NCCL: messages straight from GPU to GPU.
//
// It begins on the host channel, which spreads NCCL's id; from then on NCCL carries all. Calls of
// NCCL never wait: what takes longer than the deadline or fails on any rank is named with rank,
// axis and operation, and ends all communicators of the device. Sums are NCCL's messages and our
// own adding: NCCL's reductions promise no order.
#pragma once

#include <memory>

#include "comm/channel.h"
#include "comm/device_channel.h"
#include "tensor/cuda/cuda_device.h"

namespace ortho {

// Of all ranks of `host`, each on a GPU of its own; Error(usage) on every rank names two that share
// one. `device` outlives it and all channels split from it. Collective.
std::unique_ptr<DeviceChannel> make_nccl_channel(CudaDevice& device, Channel& host,
                                                 const DeviceChannelSetting& setting = {});

}  // namespace ortho
