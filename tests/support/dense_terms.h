// The dense map by its definition: the list of all products w * x that make up its outputs.
//
// Forward, dx and dw follow from one list, so a mistake cannot hide in two of them. Nodes are
// token * channels + channel, without the batch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "core/random.h"
#include "tensor/dense.h"

namespace ortho {

struct Term {
  std::int64_t out, in, weight;
};

inline std::int64_t flat(const Shape& shape, const Index& at) {
  std::int64_t index = 0;
  for (size_t a = 0; a < shape.size(); ++a) index = index * shape[a] + at[a];
  return index;
}

inline Index unflat(const Shape& shape, std::int64_t index) {
  Index at(shape.size());
  for (size_t a = shape.size(); a-- > 0; index /= shape[a]) at[a] = index % shape[a];
  return at;
}

// The group of channels that channel c of `channels` belongs to.
inline std::int64_t group_of(const DenseMap& map, bool halves, std::int64_t channels,
                             std::int64_t c) {
  if (map.groups <= 1) return 0;
  const std::int64_t half = halves ? channels / 2 : channels;
  return c % half / (half / map.groups);
}

// The row of the weight array that node `from` of the input, at coordinate k, has on a token axis.
inline std::int64_t shared_row(const DenseMap& map, std::int64_t channel, std::int64_t k,
                               std::int64_t rows) {
  if (map.weights == Weights::per_channel) return channel * rows + k;
  return group_of(map, map.in_halves, map.channels, channel) * rows + k;
}

// The column of output channel j within its group.
inline std::int64_t column_of(const DenseMap& map, std::int64_t j) {
  if (map.groups <= 1) return j;
  const std::int64_t half = map.out_halves ? map.out / 2 : map.out, slice = half / map.groups;
  return j / half * slice + j % slice;
}

// Products into the output at `at`, whose mapped coordinate is j, from inputs of the same line.
inline void grid_terms(const DenseMap& map, const Shape& in, const Shape& out, const Index& at,
                       std::vector<Term>& terms) {
  const auto axis = static_cast<size_t>(map.axis);
  const std::int64_t j = at[axis], columns = map.on_channels() ? map.out / map.slices() : map.out;
  for (std::int64_t k = 0; k < in[axis]; ++k) {
    if (map.effective_wiring() == Wiring::grid_causal && k > j) continue;
    if (map.radius > 0 && std::abs(j - k) > map.radius) continue;
    if (!map.self && j == k) continue;
    if (map.on_channels() &&
        group_of(map, map.in_halves, map.channels, k) != group_of(map, map.out_halves, map.out, j))
      continue;
    Index from = at;
    from[axis] = k;
    std::int64_t row = map.on_channels() ? k : shared_row(map, at.back(), k, in[axis]);
    if (map.weights == Weights::separate) row = flat(in, from);
    const std::int64_t column = map.on_channels() ? column_of(map, j) : j;
    terms.push_back({flat(out, at), flat(in, from), row * columns + column});
  }
}

inline void causal_terms(const DenseMap& map, const Shape& grid, const Index& at,
                         std::vector<Term>& terms) {
  const auto axis = static_cast<size_t>(map.axis);
  const std::int64_t size = grid[axis], node = flat(grid, at);
  const std::int64_t taps = map.radius > 0 ? std::min(size, map.radius + 1) : size;
  std::int64_t step = 1;  // nodes between neighbours on the axis
  for (size_t a = axis + 1; a < grid.size(); ++a) step *= grid[a];
  for (std::int64_t d = map.self ? 0 : 1; d < taps && node - d * step >= 0; ++d) {
    std::int64_t row = shared_row(map, at.back(), 0, 1);
    if (map.weights == Weights::by_position) row = shared_row(map, at.back(), at[axis], size);
    if (map.weights == Weights::separate) row = node;
    terms.push_back({node, node - d * step, row * taps + d});
  }
}

inline std::vector<Term> dense_terms(const DenseMap& map) {
  Shape in = map.tokens;
  in.push_back(map.channels);
  Shape out = in;
  out[static_cast<size_t>(map.axis)] = map.out;
  std::vector<Term> terms;
  for (std::int64_t node = 0; node < elements(out); ++node) {
    if (map.causal())
      causal_terms(map, in, unflat(out, node), terms);
    else
      grid_terms(map, in, out, unflat(out, node), terms);
  }
  return terms;
}

// Where a node of window b lies in a tensor.
inline size_t place(const Nodes& nodes, std::int64_t node, std::int64_t b) {
  const std::int64_t token = node / nodes.channels, channel = node % nodes.channels;
  const std::int64_t inside =
      nodes.order == Order::batch_inner ? channel * nodes.batch + b : b * nodes.channels + channel;
  return static_cast<size_t>(token * nodes.batch * nodes.channels + inside);
}

// Whole numbers from -3 to 3: sums of their products are exact in float.
template <class T>
std::vector<T> whole_numbers(std::int64_t count, std::uint64_t seed) {
  const Random random(seed, "whole");
  std::vector<T> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<T>(static_cast<int>(random.below(i, 7)) - 3);
  return values;
}

template <class T>
std::vector<T> normal_numbers(std::int64_t count, std::uint64_t seed) {
  const Random random(seed, "normal");
  std::vector<T> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(random.normal(i));
  return values;
}

}  // namespace ortho
