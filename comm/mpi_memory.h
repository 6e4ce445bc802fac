// Shared memory between processes: a window of MPI, which lies in the machine's /dev/shm.
//
// Included by comm/mpi*.cc alone, since its types are MPI's.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <memory>

#include "comm/node.h"

namespace ortho {

// Bytes free in /dev/shm, where MPI puts windows. To write more ends the process (SIGBUS), so it is
// asked before; 0 if there is none.
std::int64_t shared_room_bytes();

// Collective over `communicator`, the ranks of `neighbours`. Ordinary memory on all ranks if some
// machine has too little room.
std::unique_ptr<SharedMemory> share_memory(MPI_Comm communicator, const Neighbours& neighbours,
                                           int rank, std::int64_t bytes);

}  // namespace ortho
