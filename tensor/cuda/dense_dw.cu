// Gradients of the dense map's weights: lines with weights of their own (dense_dots.h), weights
// that many lanes share (dense_shared_dots.h), and cuBLAS where they are one product.
#include <algorithm>

#include "tensor/cuda/channel_sums.h"
#include "tensor/cuda/cuda_backend.h"
#include "tensor/cuda/dense_dots.h"
#include "tensor/cuda/dense_shared_dots.h"
#include "tensor/cuda/gemm.h"

namespace ortho {
namespace {

std::uint32_t tiles_of(std::int64_t count, std::int64_t side) {
  return index32((count + side - 1) / side);
}

template <class T, int kSide>
void launch_line_dots(const CudaDevice& device, const DenseMap& map, const DenseTask& task,
                      const T* x, const T* dy, T* dw) {
  constexpr std::uint32_t kTeam = kSide * kSide, kRows = kTileRows<kSide>;
  const std::int64_t lines = task.lanes / map.batch;
  const std::uint32_t out_tiles = tiles_of(task.out.rows, kRows);
  const std::int64_t reach = std::int64_t{task.band.ahead} + task.band.behind + kRows;
  const std::uint32_t in_tiles = tiles_of(std::min<std::int64_t>(task.in.rows, reach), kRows);
  LineDots<T> dots{};
  dots.task = task;
  dots.run = index32(map.batch);
  dots.lines = Divisor(lines);
  dots.in_tiles = Divisor(in_tiles);
  dots.out_tiles = Divisor(out_tiles);
  dots.groups = Divisor(task.groups);
  dots.count = index32(lines * in_tiles * out_tiles * task.groups * task.outer);
  dots.x = x;
  dots.dy = dy;
  dots.dw = dw;
  constexpr std::uint32_t kTeams = kDotsThreads / kTeam;
  launch(line_dots_kernel<T, kSide>,
         {{(dots.count + kTeams - 1) / kTeams},
          {kDotsThreads},
          kTeams * 2 * kRows * kStage<kSide> * sizeof(T)},
         device.stream(), dots);
}

template <class T>
void window_dots(const CudaDevice& device, const DenseMap& map, const DenseTask& task, const T* x,
                 const T* dy, T* dw) {
  WindowDots<T> dots{};
  dots.task = task;
  dots.windows = index32(map.batch);
  const bool token = !map.on_channels();
  const std::int64_t lines = token ? map.channels : 1;
  const std::int64_t inner = token ? task.lanes / (map.channels * map.batch) : 1;
  const std::int64_t places = token ? task.outer : task.outer / map.batch;
  dots.x_step = token ? map.channels : task.in.outer;
  dots.y_step = token ? map.channels : task.out.outer;
  dots.x_place = token ? task.in.outer : task.in.outer * map.batch;
  dots.y_place = token ? task.out.outer : task.out.outer * map.batch;
  dots.x_inner = dots.y_inner = map.channels * map.batch;
  const std::uint32_t out_tiles = tiles_of(task.out.rows, kSquare);
  dots.channels = Divisor(lines);
  dots.inner = Divisor(inner);
  dots.out_tiles = Divisor(out_tiles);
  dots.rows_in = Divisor(task.in.rows);
  dots.groups = Divisor(task.groups);
  dots.x = x;
  dots.dy = dy;
  dots.dw = dw;
  for_each(device, lines * inner * out_tiles * task.in.rows * task.groups * places, dots);
}

constexpr std::int64_t kLeastPart = 2048;  // pairs of a block: enough to be worth its sum
constexpr std::int64_t kBlocks = 2048;     // tiles times parts: fills any GPU of today

// How a slice's lanes lie; see SharedDots.
template <class T>
void set_lanes(const DenseMap& map, SharedDots<T>& dots) {
  const DenseTask& task = dots.task;
  const bool sliced = !map.on_channels() && task.w_slice != 0;
  const std::int64_t beside = task.channel_lanes.by();
  dots.slices = sliced ? task.half.by() / task.width.by() : task.groups;
  const std::int64_t run = sliced ? std::int64_t{task.width.by()} * beside : task.lanes;
  dots.run = Divisor(run);
  dots.per_half = Divisor(sliced ? map.channels / task.half.by() : 1);
  dots.slice_step = sliced ? run : 0;
  dots.half_step = std::int64_t{task.half.by()} * beside;
  dots.outermost_step = sliced ? map.channels * beside : 0;
  dots.per_outer = Divisor(task.lanes / (sliced ? dots.slices : 1));
}

template <class T, int kIn, int kOut, bool kTaps>
void launch_shared(CudaDevice& device, SharedDots<T>& dots, T* dw) {
  dots.in_tiles = tiles_of(kTaps ? dots.task.band.behind + 1 : dots.task.in.rows, kIn);
  dots.out_tiles = kTaps ? 1 : tiles_of(dots.task.out.rows, kOut);
  const std::int64_t tiles =
      std::int64_t{dots.in_tiles} * dots.out_tiles * dots.positions * dots.slices;
  const std::int64_t most = (dots.domain + kLeastPart - 1) / kLeastPart;
  const std::int64_t parts = std::clamp<std::int64_t>(kBlocks / tiles, 1, most);
  dots.part = index32((dots.domain + parts - 1) / parts);
  dots.parts = (dots.domain + dots.part - 1) / dots.part;
  device.begin_operation();
  dots.sums = device.scratch<T>(dots.parts * dots.weights);
  check_cuda(cudaMemsetAsync(
      dots.sums, 0, static_cast<size_t>(dots.parts * dots.weights) * sizeof(T), device.stream()));
  launch(shared_dots_kernel<T, kIn, kOut, kTaps>,
         {{index32(tiles), dots.parts},
          {kSharedDotsThreads},
          kSharedDotsThreads / kWarp * kIn * kOut * sizeof(T)},
         device.stream(), dots);
  for_each(device, dots.weights, AddRuns<T>{dots.parts, index32(dots.weights), dots.sums, dw});
}

template <class T>
void shared_dots(CudaDevice& device, const DenseMap& map, const DenseTask& task, const T* x,
                 const T* dy, T* dw) {
  SharedDots<T> dots{};
  dots.task = task;
  set_lanes(map, dots);
  dots.weights = elements(weight_shape(map));
  dots.x = x;
  dots.dy = dy;
  dots.positions = 1;
  const std::int64_t lanes = dots.per_outer.by();
  if (!map.causal()) {
    dots.domain = index32(task.outer * lanes);
    return launch_shared<T, 4, 8, false>(device, dots, dw);
  }
  if (map.weights == Weights::by_position) {
    dots.positions = index32(map.size());
    dots.position_step = map.reach() + 1;
  }
  dots.domain = index32(task.in.rows / dots.positions * lanes);
  launch_shared<T, 8, 1, true>(device, dots, dw);
}

bool is_product_per_token(const DenseMap& map) {
  return map.on_channels() && map.order == Order::channels_inner && map.groups <= 1;
}

// dw += x^T dy of rows of channels; of each token alone if the weights are separate.
template <class T>
void product_per_token(const CudaDevice& device, const DenseMap& map, const T* x, const T* dy,
                       T* dw) {
  const std::int64_t in = map.channels, out = map.out, tokens = elements(map.tokens);
  const bool separate = map.weights == Weights::separate;
  const std::int64_t rows = separate ? map.batch : tokens * map.batch;
  multiply(device, Transpose::yes, Transpose::no,
           {in, out, rows, in, out, out, separate ? tokens : 1, rows * in, rows * out, in * out}, x,
           dy, dw, true);
}

}  // namespace

template <class T>
void CudaBackend<T>::dense_dw(const DenseMap& map, const T* x, const T* dy, T* dw) {
  const bool inside = map.order == Order::channels_inner;
  if (is_product_per_token(map)) return product_per_token(device_, map, x, dy, dw);
  for (int in = 0; in < dense_in_halves(map); ++in)
    for (int out = 0; out < dense_out_halves(map); ++out) {
      const DenseTask task = dense_task(map, in, out);
      if (map.weights != Weights::separate)
        shared_dots(device_, map, task, x, dy, dw);
      else if (inside)
        window_dots(device_, map, task, x, dy, dw);
      else if (task.in.rows <= kSquare && task.out.rows <= kSquare)
        launch_line_dots<T, 1>(device_, map, task, x, dy, dw);
      else
        launch_line_dots<T, 4>(device_, map, task, x, dy, dw);
    }
}

template class CudaBackend<float>;

}  // namespace ortho
