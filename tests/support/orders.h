// The same nodes in the other tensor order.
#pragma once

#include <cstddef>
#include <vector>

#include "tensor/nodes.h"

namespace ortho {

// x[t][b][c] -> x[t][c][b], or back when nodes.order is batch_inner.
template <class T>
std::vector<T> reordered(const Nodes& nodes, const std::vector<T>& x) {
  const bool inner = nodes.order == Order::channels_inner;
  const std::int64_t rows = inner ? nodes.batch : nodes.channels,
                     columns = inner ? nodes.channels : nodes.batch;
  std::vector<T> y(x.size());
  for (std::int64_t t = 0; t < nodes.tokens; ++t)
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c)
        y[static_cast<size_t>((t * columns + c) * rows + r)] =
            x[static_cast<size_t>((t * rows + r) * columns + c)];
  return y;
}

inline Nodes other_order(Nodes nodes) {
  nodes.order = nodes.order == Order::channels_inner ? Order::batch_inner : Order::channels_inner;
  return nodes;
}

}  // namespace ortho
