// Attention: which keys each query of a softmax attention sees, and how its rows split into heads.
//
//   score(i) = q . k(i) / sqrt(width) + bias(i),   z = sum over i of softmax(score)(i) * v(i)
//
// for every head and window on its own. Query token t sees the key tokens first[t] + steps[i] for
// all i < count[t], at least one; what lies beyond takes no part in the softmax.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/nodes.h"

namespace ortho {

struct Attention {
  std::int64_t batch = 0;
  Order order = Order::channels_inner;
  std::int64_t heads = 1, width = 0;  // channels of a head in q and k
  std::int64_t halves = 1;            // v and z hold heads * width channels so often: u's and v's
  std::int64_t columns = 1;           // bias [heads][steps][columns]
  std::vector<std::int64_t> steps;
  std::span<const std::int32_t> first, count, column;  // of every query token

  std::int64_t tokens() const { return static_cast<std::int64_t>(first.size()); }
  std::int64_t sources() const { return static_cast<std::int64_t>(steps.size()); }
  std::int64_t channels() const { return heads * width; }  // of q and k
};

}  // namespace ortho
