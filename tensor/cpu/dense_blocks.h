// How a sum of dense maps is cut into blocks of nodes that stay in a core's second cache.
//
//   nodes [outer][rows][inner], a row of nodes being all places on the axes `first` … of the block
//
// A block is all rows of one outer place and `chunk` of the inner ones, so all lines along its axes
// lie in it whole. Its weights W[row][chunk][out] are as many runs of memory. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/dense.h"

namespace ortho {

// One map in a block.
struct BlockAxis {
  std::int64_t size;  // s
  std::int64_t step;  // rows between neighbours on the axis
};

// Some terms that follow each other in a sum. They run together, block by block.
struct DenseBlocks {
  size_t first = 0, count = 0;  // terms
  std::int64_t outer = 0, rows = 0, inner = 0, batch = 0;
  std::int64_t chunk = 0;       // inner places of a block; the last one may have fewer
  std::int64_t widest = 0;      // the largest size
  std::vector<BlockAxis> axes;  // of each term
  // Elements between the rows of a block's nodes and of its weights: padded, or rows a power of two
  // apart would push each other out of a cache.
  std::int64_t node_row() const { return chunk * batch + kPad; }
  std::int64_t weight_row() const { return chunk * widest + (pairs ? 0 : kPad); }
  std::int64_t cuts() const { return (inner + chunk - 1) / chunk; }
  // All axes are of two, and the weights of all of them are at hand at once.
  bool pairs = false;
  std::int64_t weights() const {
    return rows * weight_row() * (pairs ? static_cast<std::int64_t>(axes.size()) : 1);
  }
  std::int64_t room() const { return rows * 3 * node_row() + 2 * weights(); }
  static constexpr std::int64_t kPad = 16;
};

// Whether a map can run in blocks: a whole grid's separate weights with the batch innermost.
bool runs_in_blocks(const DenseMap& map);

// Of maps that all can, of one shape. Empty if some block takes more than `room` elements.
std::vector<DenseBlocks> dense_blocks(std::span<const DenseMap> maps, std::int64_t element_bytes,
                                      std::int64_t room);

}  // namespace ortho
