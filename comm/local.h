// Local channels: ranks as threads of one process, exchanges as copies between them.
//
// For one process without MPI, for tests and for rehearsals. Sums are
// equal to those of MPI bit for bit. A rank that leaves by an exception
// wakes all that wait for it: their calls throw instead of hanging.
#pragma once

#include <functional>
#include <memory>

#include "comm/channel.h"

namespace ortho {

// A channel of one rank, without MPI and without threads.
std::unique_ptr<Channel> make_single_channel();

// Runs `body` on `ranks` threads, each with its own channel; ends when all have. Rethrows the error
// that came first in time, so the cause and not what others threw because of it.
void run_local_ranks(int ranks, const std::function<void(Channel&)>& body,
                     const NodeSetting& nodes = {});

}  // namespace ortho
