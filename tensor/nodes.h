// Nodes: the geometry of one activation tensor,
// T tokens x B windows x C channels in one of two orders.
//
// Tokens are outermost in both, so a shift by d tokens is a pointer offset of d * B * C elements.
#pragma once

#include <cstdint>

namespace ortho {

enum class Order {
  channels_inner,  // x[t][b][c]: joint maps, every tap is one GEMM
  batch_inner,     // x[t][c][b]: dense maps, every axis is one kernel over runs of B
};

struct Nodes {
  std::int64_t tokens = 0, batch = 0, channels = 0;
  Order order = Order::channels_inner;

  std::int64_t rows() const { return tokens * batch; }
  std::int64_t elements() const { return tokens * batch * channels; }
  Nodes with_channels(std::int64_t c) const { return {tokens, batch, c, order}; }
  Nodes with_tokens(std::int64_t t) const { return {t, batch, channels, order}; }
  bool operator==(const Nodes&) const = default;
};

}  // namespace ortho
