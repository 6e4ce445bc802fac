// Fixed order: sums over a step's windows that are the same bits on 1, 2, 4 or 8 ranks.
//
// The windows of a step are kLeaves equal parts, whichever rank works on them, each through a model
// of its size. Every sum over them is one balanced tree,
//   ((l0 + l1) + (l2 + l3)) + ((l4 + l5) + (l6 + l7)),
// of which a rank adds the subtree it holds, and Replicas (SumOrder::tree) the rest. Only the batch
// may be cut.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/buffer.h"
#include "tensor/token.h"

namespace ortho {

constexpr int kLeaves = 8;

// Error(usage) unless the mesh cuts the batch alone, into a number of parts that divides kLeaves,
// and kLeaves divides the windows.
void check_fixed_order(std::int64_t windows, int ranks, int replicas);

// Windows lo … hi - 1 of a batch.
Batch windows_of(const Batch& batch, std::int64_t lo, std::int64_t hi);

int tree_levels(int leaves);  // arrays that a TreeSum of so many leaves holds

// Adds up equally long arrays that come one after the other; there are 1, 2, 4 or 8 of them.
template <class T>
class TreeSum {
 public:
  TreeSum(std::int64_t elements, int leaves);
  // `values` leave as the sum of the complete subtree that they end; after the last leaf that is
  // the sum of all.
  void add(std::span<T> values);
  void restart() { added_ = 0; }

 private:
  int added_ = 0, leaves_;
  std::vector<Buffer<T>> held_;  // the left half of each level
};

}  // namespace ortho
