// Which ranks share a GPU.
#pragma once

#include <string>

#include "comm/channel.h"

namespace ortho {

// This thread's GPU, the same whatever CUDA_VISIBLE_DEVICES numbers it: its UUID in hexadecimal.
std::string gpu_uuid();
// "" if every rank of the channel has a GPU of its own; else names the first two that share one.
// Collective.
std::string shared_gpu(Channel& host);

}  // namespace ortho
