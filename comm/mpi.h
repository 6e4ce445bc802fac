// MPI: comm/mpi*.cc are the only home of <mpi.h>; no MPI type leaves them.
//
// One thread per process talks to MPI: the one that made the MpiSession. Messages above
// `piece_bytes` are cut, so counts above INT_MAX work. MPI's own reductions of floats are not used:
// their order of adding varies with sizes and algorithms. Large sums go by slices instead: rank r
// gets slice r of every rank's values, adds them in rank order, and sends the sum to all.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "comm/channel.h"

namespace ortho {

// Whether mpirun, or srun with PMIx, started this process; asks the environment, not MPI.
bool started_by_mpi();

// The rank that they gave it, known before MPI starts and after it ended; 0 if they did not.
int launched_rank();

// MPI from here to the end of the scope; at most one per process.
// If mpirun did not start the process, it does nothing and the world is one rank.
// It gives rank and host to messages and log. If the scope ends by an exception,
// MPI is not finalised: that would wait for ranks that may never come.
class MpiSession {
 public:
  MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;
  ~MpiSession();

 private:
  int exceptions_;  // in flight when the session began
};

inline constexpr std::int64_t kPieceBytes = 1 << 30;  // at most INT_MAX: MPI counts with int

// A channel of all ranks, needs a living MpiSession that outlives it. Ranks of one machine are
// consecutive in it, however the launcher placed them. Collective. Tests cut smaller pieces.
std::unique_ptr<Channel> make_world_channel(std::int64_t piece_bytes = kPieceBytes,
                                            const NodeSetting& nodes = {});

// MPI_Alltoallv over all ranks as the launcher numbers them: counts[r] bytes of `out`, one rank's
// after the other's, go to rank r, which sends as many into `in`. Nothing in the program calls it:
// it is what exchanges are measured against (bench/exchange.cc). Collective.
void mpi_all_to_all(std::span<const int> counts, std::span<const std::byte> out,
                    std::span<std::byte> in);

// What one Channel::sum over MPI costs the rank that sends most: a pure function, for planning.
struct SumCost {
  std::int64_t messages = 0;      // sent; as many are received
  std::int64_t bytes = 0;         // sent, about 2 (ranks - 1) / ranks of the values
  std::int64_t buffer_bytes = 0;  // held beside the values while it runs
};
SumCost sum_cost(std::int64_t count, std::int64_t value_bytes, int ranks,
                 std::int64_t piece_bytes = kPieceBytes);

}  // namespace ortho
