// The dense map, forward and dx: own kernels, and cuBLAS where all lanes share one large matrix.
#include <algorithm>
#include <type_traits>
#include <utility>

#include "tensor/cuda/cuda_backend.h"
#include "tensor/cuda/dense_rows.h"
#include "tensor/cuda/gemm.h"

namespace ortho {
namespace {

// From this size of an axis on a product of shared weights goes to cuBLAS. Below it small matrices
// waste the library's tiles, and the map is bound by memory anyway (docs/device.md).
constexpr std::int64_t kLibrary = 64;

constexpr auto kNo = Transpose::no;
constexpr auto kYes = Transpose::yes;

bool multiplies_of(std::int64_t by, std::initializer_list<std::int64_t> values) {
  return std::ranges::all_of(values, [by](std::int64_t value) { return value % by == 0; });
}

// Whether four neighbouring lanes share their weights and lie on a multiple of 16 bytes.
template <class T>
bool packs_lanes(const DenseRows<T>& rows) {
  const DenseTask& t = rows.task;
  return multiplies_of(4, {t.lanes, t.same_lanes, t.in.at, t.in.outer, t.in.group, t.out.at,
                           t.out.outer, t.out.group}) &&
         is_aligned(rows.x) && is_aligned(rows.y);
}

template <class T>
Near near_weights(const DenseRows<T>& rows) {
  const DenseTask& t = rows.task;
  const bool aligned =
      is_aligned(rows.w) && multiplies_of(4, {t.w_at, t.w_outer, t.w_group, t.w_inner, t.w_slice});
  if (!aligned) return Near::none;
  if (t.w_out == 1 && multiplies_of(4, {t.w_in, t.out.rows})) return Near::outputs;
  if (t.w_in == 1 && multiplies_of(4, {t.w_out})) return Near::inputs;
  return Near::none;
}

template <class T, int kLanes, int kOuts, Near kNear>
void launch_rows(const CudaDevice& device, DenseRows<T> rows) {
  const std::int64_t steps = rows.task.lanes / kLanes;
  rows.lane_steps = Divisor(steps);
  rows.groups = Divisor(rows.task.groups);
  rows.threads = index32(steps * rows.task.groups * rows.task.outer);
  rows.tiles = (rows.task.out.rows + kOuts - 1) / kOuts;
  // Tiles beyond four to a block lie along y, of which a grid has 65,535: longer axes are refused.
  const unsigned deep = std::min(rows.tiles, 4u), wide = 32 * (4 / deep);
  const unsigned blocks_deep = (rows.tiles + deep - 1) / deep;
  REQUIRE(blocks_deep <= 65535, "a dense map with an axis of ", rows.task.out.rows,
          " rows is too long for a GPU");
  launch(dense_rows_kernel<T, kLanes, kOuts, kNear>,
         {{(rows.threads + wide - 1) / wide, blocks_deep}, {wide, deep}}, device.stream(), rows);
}

template <class T, int kLanes, int kOuts>
void launch_near(const CudaDevice& device, const DenseRows<T>& rows, Near near) {
  if (near == Near::outputs)
    launch_rows<T, kLanes, kOuts, Near::outputs>(device, rows);
  else if (near == Near::inputs)
    launch_rows<T, kLanes, kOuts, Near::inputs>(device, rows);
  else
    launch_rows<T, kLanes, kOuts, Near::none>(device, rows);
}

template <class T, int kLanes>
void launch_lanes(const CudaDevice& device, const DenseRows<T>& rows) {
  const Near near = near_weights(rows);
  if (rows.task.out.rows <= 2)
    launch_rows<T, kLanes, 2, Near::none>(device, rows);
  else if (rows.task.out.rows <= 4)
    launch_near<T, kLanes, 4>(device, rows, near);
  else
    launch_near<T, kLanes, 16>(device, rows, near);
}

template <class T>
void run(const CudaDevice& device, const DenseTask& task, const T* x, const T* w, T* y, bool add) {
  DenseRows<T> rows{};
  rows.task = task;
  rows.x = x;
  rows.w = w;
  rows.y = y;
  rows.add = add;
  if (packs_lanes(rows))
    launch_lanes<T, 4>(device, rows);
  else
    launch_lanes<T, 1>(device, rows);
}

// Back to dx: outputs and inputs change places.
DenseTask backwards(DenseTask task) {
  std::swap(task.in, task.out);
  std::swap(task.w_in, task.w_out);
  task.band = task.band.swapped();
  return task;
}

bool takes_library(const DenseMap& map) {
  return is_plain_product(map) && std::min(map.size(), map.out) >= kLibrary;
}

// The channel axis with the channels inside and without groups: rows times W, one W a token if
// they are separate.
bool is_product_per_token(const DenseMap& map) {
  return map.on_channels() && map.order == Order::channels_inner && map.groups <= 1;
}

// How many products there are, of how many rows, and the elements of W between them.
struct TokenProducts {
  std::int64_t count, rows, w_step;
};

TokenProducts token_products(const DenseMap& map) {
  const std::int64_t tokens = elements(map.tokens);
  if (map.weights != Weights::separate) return {1, tokens * map.batch, 0};
  return {tokens, map.batch, map.channels * map.out};
}

}  // namespace

template <class T>
void CudaBackend<T>::dense(const DenseMap& map, const T* x, const T* w, T* y, bool add) {
  const DenseTask task = dense_task(map);
  const std::int64_t in = map.size(), out = map.out;
  if (is_product_per_token(map)) {
    const TokenProducts n = token_products(map);
    return multiply(device_, kNo, kNo,
                    {n.rows, out, in, in, out, out, n.count, n.rows * in, n.w_step, n.rows * out},
                    x, w, y, add);
  }
  const std::int64_t lanes = task.lanes;
  if (takes_library(map))
    return multiply(device_, kYes, kNo,
                    {out, lanes, in, out, lanes, lanes, task.outer, 0, in * lanes, out * lanes}, w,
                    x, y, add);
  for (int o = 0; o < dense_out_halves(map); ++o)
    for (int i = 0; i < dense_in_halves(map); ++i)
      run(device_, dense_task(map, i, o), x, w, y, add || i > 0);
}

template <class T>
void CudaBackend<T>::dense_dx(const DenseMap& map, const T* dy, const T* w, T* dx, bool add) {
  const DenseTask task = dense_task(map);
  const std::int64_t in = map.size(), out = map.out;
  if (is_product_per_token(map)) {
    const TokenProducts n = token_products(map);
    return multiply(device_, kNo, kYes,
                    {n.rows, in, out, out, out, in, n.count, n.rows * out, n.w_step, n.rows * in},
                    dy, w, dx, add);
  }
  const std::int64_t lanes = task.lanes;
  if (takes_library(map))
    return multiply(device_, kNo, kNo,
                    {in, lanes, out, out, lanes, lanes, task.outer, 0, out * lanes, in * lanes}, w,
                    dy, dx, add);
  for (int i = 0; i < dense_in_halves(map); ++i)
    for (int o = 0; o < dense_out_halves(map); ++o)
      run(device_, backwards(dense_task(map, i, o)), dy, w, dx, add || o > 0);
}

template class CudaBackend<float>;

}  // namespace ortho
