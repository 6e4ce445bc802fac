// Softmax cross-entropy and its gradient, a warp a row of logits; or in two steps where each rank
// has some of the classes. Losses of rows are added as trees in double.
#include <limits>

#include "tensor/cuda/cuda_backend.h"
#include "tensor/cuda/team.h"

namespace ortho {
namespace {

template <class T>
struct RowsTask {
  std::uint32_t rows, classes;
  const std::int32_t* target;
  const double* weight;  // null: each 1
  double scale;
  T* logits;
  // What a row gives: its weighted loss, and whether it was right.
  double* nats;
  std::int32_t* hit;

  __device__ double times(std::uint32_t row) const { return weight == nullptr ? 1 : weight[row]; }
};

// The largest of a row's logits, in all lanes; -inf without classes.
template <class T>
__device__ T row_top(std::uint32_t classes, const T* x) {
  T top = -std::numeric_limits<T>::infinity();
  for (std::uint32_t i = team_lane<kWarp>(); i < classes; i += kWarp) top = x[i] > top ? x[i] : top;
  return warp_max(top);
}

template <class T>
__global__ void __launch_bounds__(kTeamThreads) entropy_kernel(RowsTask<T> task) {
  const std::uint32_t row = team_index<kWarp>(), lane = team_lane<kWarp>();
  if (row >= task.rows) return;
  T* const x = task.logits + std::int64_t{row} * task.classes;
  const auto target = static_cast<std::uint32_t>(task.target[row]);
  const T own = x[target];  // before any lane changes it: the sums below wait for all lanes
  const T top = row_top(task.classes, x);
  T sum = 0;
  for (std::uint32_t i = lane; i < task.classes; i += kWarp) {
    x[i] = fast_exp(x[i] - top);
    sum += x[i];
  }
  sum = warp_sum(sum);
  const T scale = static_cast<T>(task.scale * task.times(row)), factor = scale / sum;
  for (std::uint32_t i = lane; i < task.classes; i += kWarp)
    x[i] = x[i] * factor - (i == target ? scale : T(0));
  if (lane != 0) return;
  const double nats = std::log(static_cast<double>(sum)) - static_cast<double>(own - top);
  task.nats[row] = task.times(row) * nats;
  task.hit[row] = own == top ? 1 : 0;
}

// Tells [rows][kSoftmaxPart].
template <class T>
__global__ void __launch_bounds__(kTeamThreads)
    tell_kernel(std::uint32_t rows, std::uint32_t classes, const std::int32_t* target,
                const T* logits, T* part) {
  const std::uint32_t row = team_index<kWarp>();
  if (row >= rows) return;
  const T* const x = logits + std::int64_t{row} * classes;
  const T top = row_top(classes, x);
  T sum = 0;
  for (std::uint32_t i = team_lane<kWarp>(); i < classes; i += kWarp) sum += fast_exp(x[i] - top);
  sum = warp_sum(sum);
  if (team_lane<kWarp>() != 0) return;
  T* const told = part + std::int64_t{row} * kSoftmaxPart;
  told[0] = top;
  told[1] = sum;
  told[2] = target[row] < 0 ? T(0) : x[target[row]];
}

template <class T>
__global__ void __launch_bounds__(kTeamThreads)
    rest_kernel(RowsTask<T> task, std::uint32_t parts, const T* told) {
  const std::uint32_t row = team_index<kWarp>(), lane = team_lane<kWarp>();
  if (row >= task.rows) return;
  const std::int64_t stride = std::int64_t{task.rows} * kSoftmaxPart;
  told += std::int64_t{row} * kSoftmaxPart;
  T top = -std::numeric_limits<T>::infinity(), sum = 0, own = 0;
  for (std::uint32_t p = 0; p < parts; ++p) top = told[p * stride] > top ? told[p * stride] : top;
  for (std::uint32_t p = 0; p < parts; ++p) {
    const T* const part = told + p * stride;
    if (part[1] != 0) sum += part[1] * fast_exp(part[0] - top);  // 0: a part without classes
    own += part[2];
  }
  const T scale = static_cast<T>(task.scale * task.times(row)), factor = scale / sum;
  T* const x = task.logits + std::int64_t{row} * task.classes;
  const std::int32_t target = task.target[row];
  for (std::uint32_t i = lane; i < task.classes; i += kWarp)
    x[i] = fast_exp(x[i] - top) * factor - (static_cast<std::int64_t>(i) == target ? scale : T(0));
  if (lane != 0) return;
  const double nats = std::log(static_cast<double>(sum)) - static_cast<double>(own - top);
  task.nats[row] = task.times(row) * nats;
  task.hit[row] = own == top ? 1 : 0;
}

struct HitValue {
  const std::int32_t* hit;
  __device__ double operator()(std::uint32_t i) const { return hit[i]; }
};

// The host's arrays on the device, and room for what the rows give.
template <class T>
RowsTask<T> make_task(CudaDevice& device, std::int64_t rows, std::int64_t classes,
                      std::span<const std::int32_t> target, std::span<const double> weight,
                      double scale, T* logits) {
  device.begin_operation();
  return {index32(rows),
          index32(classes),
          device.send(target),
          weight.empty() ? nullptr : device.send(weight),
          scale,
          logits,
          device.scratch<double>(rows),
          device.scratch<std::int32_t>(rows)};
}

template <class T>
void add_sums(CudaDevice& device, const RowsTask<T>& task, double* loss, std::int64_t* hits) {
  *loss += sum_of(device, task.rows, PartValue{task.nats});
  *hits += static_cast<std::int64_t>(sum_of(device, task.rows, HitValue{task.hit}));
}

}  // namespace

template <class T>
void CudaBackend<T>::cross_entropy(std::int64_t rows, std::int64_t classes,
                                   std::span<const std::int32_t> target,
                                   std::span<const double> weight, double scale, T* logits,
                                   double* loss, std::int64_t* hits) {
  if (rows == 0) return;
  const auto task = make_task(device_, rows, classes, target, weight, scale, logits);
  launch(entropy_kernel<T>, team_grid<kWarp>(task.rows), device_.stream(), task);
  add_sums(device_, task, loss, hits);
}

template <class T>
void CudaBackend<T>::softmax_part(std::int64_t rows, std::int64_t classes,
                                  std::span<const std::int32_t> target, const T* logits, T* part) {
  if (rows == 0) return;
  device_.begin_operation();
  launch(tell_kernel<T>, team_grid<kWarp>(index32(rows)), device_.stream(), index32(rows),
         index32(classes), device_.send(target), logits, part);
}

template <class T>
void CudaBackend<T>::cross_entropy_part(std::int64_t rows, std::int64_t classes,
                                        std::span<const std::int32_t> target,
                                        std::span<const double> weight, double scale,
                                        std::int64_t parts, const T* told, T* logits, double* loss,
                                        std::int64_t* hits) {
  if (rows == 0) return;
  const auto task = make_task(device_, rows, classes, target, weight, scale, logits);
  launch(rest_kernel<T>, team_grid<kWarp>(task.rows), device_.stream(), task, index32(parts), told);
  add_sums(device_, task, loss, hits);
}

template class CudaBackend<float>;

}  // namespace ortho
