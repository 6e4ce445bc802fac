// Sums of what ranks sent, on the device; the order is that of comm/rank_sum.h.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace ortho {

// total[i] = (parts[0][i] + parts[1][i]) + …; part p begins at parts + p * count. `total` must not
// overlap any part.
void sum_in_rank_order(const float* parts, int ranks, std::int64_t count, float* total,
                       cudaStream_t stream);
void sum_in_rank_order(const double* parts, int ranks, std::int64_t count, double* total,
                       cudaStream_t stream);

}  // namespace ortho
