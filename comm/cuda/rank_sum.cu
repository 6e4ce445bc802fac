#include <launch.h>

#include <algorithm>

#include "comm/cuda/rank_sum.h"

namespace ortho {
namespace {

constexpr unsigned kThreads = 256;
constexpr std::int64_t kMostBlocks = 1024;  // the grid strides over more elements

template <class T>
struct RankSum {
  const T* parts;
  T* total;
  std::int64_t count;
  int ranks;
};

// One element a thread: each reads `ranks` values, neighbours read neighbours.
template <class T>
__global__ void __launch_bounds__(kThreads) rank_sum_kernel(RankSum<T> sum) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < sum.count;
       i += step) {
    T value = sum.parts[i];
    for (int rank = 1; rank < sum.ranks; ++rank) value += sum.parts[rank * sum.count + i];
    sum.total[i] = value;
  }
}

template <class T>
void run(const RankSum<T>& sum, cudaStream_t stream) {
  if (sum.count == 0) return;
  const std::int64_t blocks = std::min((sum.count + kThreads - 1) / kThreads, kMostBlocks);
  launch(rank_sum_kernel<T>, {dim3(static_cast<unsigned>(blocks)), dim3(kThreads)}, stream, sum);
}

}  // namespace

void sum_in_rank_order(const float* parts, int ranks, std::int64_t count, float* total,
                       cudaStream_t stream) {
  run<float>({parts, total, count, ranks}, stream);
}

void sum_in_rank_order(const double* parts, int ranks, std::int64_t count, double* total,
                       cudaStream_t stream) {
  run<double>({parts, total, count, ranks}, stream);
}

}  // namespace ortho
