// rms and layer norm over channels, in both orders; the formulas stand in tensor/cpu/norm.cc.
#include <cmath>

#include "tensor/cuda/channel_sums.h"
#include "tensor/cuda/cuda_backend.h"
#include "tensor/cuda/team.h"

namespace ortho {
namespace {

template <class T>
struct NormTask {
  RowPlaces places;
  std::uint32_t rows;
  bool centre;
  T epsilon;
  const T *x, *gain;
};

// stats [2][rows]: mean and rho.
template <int kTeam, class T>
__global__ void __launch_bounds__(kTeamThreads) norm_kernel(NormTask<T> task, T* h, T* stats) {
  const std::uint32_t row = team_index<kTeam>(), channels = task.places.channels();
  if (row >= task.rows) return;
  const std::int64_t first = task.places.first(row), step = task.places.step();
  const T share = T(1) / static_cast<T>(channels);
  T mean = 0, square = 0;
  if (task.centre) {
    for (std::uint32_t c = team_lane<kTeam>(); c < channels; c += kTeam)
      mean += task.x[first + c * step];
    mean = team_sum<kTeam>(mean) * share;
  }
  for (std::uint32_t c = team_lane<kTeam>(); c < channels; c += kTeam) {
    const T apart = task.x[first + c * step] - mean;
    square += apart * apart;
  }
  const T rho = T(1) / std::sqrt(team_sum<kTeam>(square) * share + task.epsilon);
  for (std::uint32_t c = team_lane<kTeam>(); c < channels; c += kTeam)
    h[first + c * step] = (task.x[first + c * step] - mean) * rho * task.gain[c];
  if (team_lane<kTeam>() == 0) {
    stats[row] = mean;
    stats[std::int64_t{task.rows} + row] = rho;
  }
}

template <int kTeam, class T>
__global__ void __launch_bounds__(kTeamThreads)
    norm_dx_kernel(NormTask<T> task, const T* stats, const T* dh, T* dx) {
  const std::uint32_t row = team_index<kTeam>(), channels = task.places.channels();
  if (row >= task.rows) return;
  const std::int64_t first = task.places.first(row), step = task.places.step();
  const T mean = stats[row], rho = stats[std::int64_t{task.rows} + row];
  const T share = T(1) / static_cast<T>(channels);
  T sum = 0, dot = 0;
  for (std::uint32_t c = team_lane<kTeam>(); c < channels; c += kTeam) {
    const T a = dh[first + c * step] * task.gain[c];
    sum += a;
    dot += a * (task.x[first + c * step] - mean) * rho;
  }
  sum = task.centre ? team_sum<kTeam>(sum) * share : T(0);
  dot = team_sum<kTeam>(dot) * share;
  for (std::uint32_t c = team_lane<kTeam>(); c < channels; c += kTeam) {
    const std::int64_t at = first + c * step;
    dx[at] += rho * (dh[at] * task.gain[c] - sum - (task.x[at] - mean) * rho * dot);
  }
}

template <class T>
struct GainGradient {
  std::uint32_t rows;
  const T *x, *stats, *dh;
  __device__ T operator()(std::int64_t element, std::uint32_t row, std::uint32_t) const {
    return dh[element] * (x[element] - stats[row]) * stats[std::int64_t{rows} + row];
  }
};

}  // namespace

template <class T>
void CudaBackend<T>::norm(Norm kind, const Nodes& nodes, double epsilon, const T* x, const T* gain,
                          T* h, T* stats) {
  if (nodes.elements() == 0) return;
  const std::uint32_t rows = index32(nodes.rows());
  const NormTask<T> task = {RowPlaces(nodes),        rows, kind == Norm::layer,
                            static_cast<T>(epsilon), x,    gain};
  if (task.places.inner())
    launch(norm_kernel<kWarp, T>, team_grid<kWarp>(rows), device_.stream(), task, h, stats);
  else
    launch(norm_kernel<1, T>, team_grid<1>(rows), device_.stream(), task, h, stats);
}

template <class T>
void CudaBackend<T>::norm_dx(Norm kind, const Nodes& nodes, const T* x, const T* gain,
                             const T* stats, const T* dh, T* dx, T* dgain) {
  if (nodes.elements() == 0) return;
  const std::uint32_t rows = index32(nodes.rows());
  const NormTask<T> task = {RowPlaces(nodes), rows, kind == Norm::layer, T(0), x, gain};
  if (task.places.inner())
    launch(norm_dx_kernel<kWarp, T>, team_grid<kWarp>(rows), device_.stream(), task, stats, dh, dx);
  else
    launch(norm_dx_kernel<1, T>, team_grid<1>(rows), device_.stream(), task, stats, dh, dx);
  add_channel_sums(device_, nodes, GainGradient<T>{rows, x, stats, dh}, dgain);
}

template class CudaBackend<float>;

}  // namespace ortho
