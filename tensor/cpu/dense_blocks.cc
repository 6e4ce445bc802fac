#include "tensor/cpu/dense_blocks.h"

#include <algorithm>

#include "core/error.h"

namespace ortho {
namespace {

constexpr std::int64_t kNodeBytes = 256 << 10;    // x of a block, or y
constexpr std::int64_t kRunBytes = 256;           // of weights that lie side by side, at least …
constexpr std::int64_t kPairRunBytes = 64;        // … and those of axes of two
constexpr std::int64_t kPairLanes = 16;           // what a batch must be a multiple of for pairs
constexpr std::int64_t kWeightBytes = 256 << 10;  // of one map's weights in a block

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

Shape grid_of(const DenseMap& map) {
  Shape grid = map.tokens;
  grid.push_back(map.channels);
  return grid;
}

std::int64_t product(const Shape& grid, int from, int to) {
  std::int64_t count = 1;
  for (int a = from; a < to; ++a) count *= grid[static_cast<size_t>(a)];
  return count;
}

// Terms of the axes [lo, hi], without their place among the terms.
DenseBlocks blocks_of(const Shape& grid, std::int64_t batch, int lo, int hi, std::int64_t bytes) {
  DenseBlocks b;
  const int axes = static_cast<int>(grid.size());
  b.outer = product(grid, 0, lo);
  b.rows = product(grid, lo, hi + 1);
  b.inner = product(grid, hi + 1, axes);
  b.batch = batch;
  b.widest = *std::max_element(grid.begin() + lo, grid.begin() + hi + 1);
  const std::int64_t nodes = kNodeBytes / (b.rows * batch * bytes);
  const std::int64_t weights = kWeightBytes / (b.rows * b.widest * bytes);
  const std::int64_t most = std::clamp<std::int64_t>(std::min(nodes, weights), 1, b.inner);
  const std::int64_t cuts = ceil_div(b.inner, most);
  b.chunk = ceil_div(b.inner, cuts);
  return b;
}

// Whether a block of several axes is small, and its weights long runs of memory.
bool fits(const DenseBlocks& b, std::int64_t bytes) {
  const std::int64_t least = b.widest == 2 ? kPairRunBytes : kRunBytes;
  return b.rows * b.chunk * b.batch * bytes <= kNodeBytes &&
         b.rows * b.chunk * b.widest * bytes <= kWeightBytes &&
         (b.chunk == b.inner || b.chunk * b.widest * bytes >= least);
}

}  // namespace

bool runs_in_blocks(const DenseMap& map) {
  return map.weights == Weights::separate && map.order == Order::batch_inner &&
         map.effective_wiring() == Wiring::grid && map.out == map.size() && map.groups <= 1 &&
         map.reach() == map.size() - 1 && map.self;
}

std::vector<DenseBlocks> dense_blocks(std::span<const DenseMap> maps, std::int64_t element_bytes,
                                      std::int64_t room) {
  std::vector<DenseBlocks> all;
  const Shape grid = grid_of(maps[0]);
  const std::int64_t batch = maps[0].batch;
  for (size_t first = 0; first < maps.size();) {
    ASSERT(grid_of(maps[first]) == grid && maps[first].batch == batch,
           "a sum of maps of one shape");
    int lo = maps[first].axis, hi = lo;
    DenseBlocks block = blocks_of(grid, batch, lo, hi, element_bytes);
    size_t count = 1;
    for (; first + count < maps.size(); ++count) {
      const int axis = maps[first + count].axis;
      const DenseBlocks larger =
          blocks_of(grid, batch, std::min(lo, axis), std::max(hi, axis), element_bytes);
      if (!fits(larger, element_bytes)) break;
      lo = std::min(lo, axis);
      hi = std::max(hi, axis);
      block = larger;
    }
    block.first = first;
    block.count = count;
    for (size_t i = first; i < first + count; ++i)
      block.axes.push_back({maps[i].size(), product(grid, maps[i].axis + 1, hi + 1)});
    block.pairs = batch % kPairLanes == 0 && block.rows == std::int64_t{1} << (hi - lo + 1);
    for (const BlockAxis& axis : block.axes) block.pairs = block.pairs && axis.size == 2;
    if (block.room() > room) return {};
    all.push_back(block);
    first += count;
  }
  return all;
}

}  // namespace ortho
