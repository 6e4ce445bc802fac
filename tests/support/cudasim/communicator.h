// NCCL on the simulated machine: communicators, and what one operation does.
//
// An operation runs in its stream: it sends a letter to each peer, and is done when theirs are
// here. A letter begins with what its sender runs, so a mismatch is found and named, where NCCL
// would hang or corrupt memory. Sums are added in a drawn order: NCCL promises none.
#pragma once

#include <nccl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/cudasim/machine.h"
#include "tests/support/cudasim/wire.h"

namespace ortho::sim {

enum class Kind : std::int32_t { send, receive, all_reduce, all_gather, reduce_scatter, broadcast };

// What all ranks must call alike, or sender and receiver.
struct Header {
  Kind kind = Kind::send;
  std::int32_t type = 0, op = 0, root = 0;
  std::int64_t count = 0;
  std::int64_t collectives = 0;  // of this communicator, issued before
};

enum class Phase { starting, ready, failed };

// Shared by the handle and the operations that are under way.
struct Communicator {
  std::uint64_t id = 0;
  int rank = 0, ranks = 1;
  Device* device = nullptr;
  std::vector<int> processes;  // by rank
  Phase phase = Phase::starting;
  bool blocking = true;
  bool aborted = false;
  int polls_left = 0;  // ncclInProgress so many times
  int under_way = 0;
  std::int64_t collectives = 0;
  std::uint64_t splits = 0;
  ncclResult_t error = ncclSuccess;
  std::string why;                           // of the error
  std::function<bool(Communicator&)> start;  // until it is ready: true once it is
};
using CommunicatorPtr = std::shared_ptr<Communicator>;

struct Call {
  CommunicatorPtr communicator;
  Header header;
  int peer = 0;  // of send and receive
  const void* from = nullptr;
  void* into = nullptr;
  cudaStream_t stream = nullptr;
};

// Of one communicator and stream: one collective, or sends and receives.
Act begin_calls(std::vector<Call> calls);

std::size_t type_bytes(int type);
std::string header_text(const Header& header);
ncclResult_t refuse(Communicator* communicator, const std::string& what);

}  // namespace ortho::sim

struct ncclComm {
  ortho::sim::CommunicatorPtr state;
};
