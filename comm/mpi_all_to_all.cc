// MPI's own all-to-all. See comm/mpi.h.
#include <numeric>
#include <vector>

#include "comm/mpi.h"
#include "comm/mpi_call.h"

namespace ortho {

void mpi_all_to_all(std::span<const int> counts, std::span<const std::byte> out,
                    std::span<std::byte> in) {
  std::vector<int> starts(counts.size());
  std::exclusive_scan(counts.begin(), counts.end(), starts.begin(), 0);
  const auto all =
      static_cast<size_t>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
  ASSERT(out.size() == all && in.size() == all, "counts for ", all, " bytes, ", out.size(),
         " to send, room for ", in.size());
  check_mpi(MPI_Alltoallv(out.data(), counts.data(), starts.data(), MPI_BYTE, in.data(),
                          counts.data(), starts.data(), MPI_BYTE, MPI_COMM_WORLD));
}

}  // namespace ortho
