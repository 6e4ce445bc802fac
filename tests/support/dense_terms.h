// The dense map by its definition: the list of all products w * x that make up its outputs.
//
// Forward, dx and dw follow from one list, so a mistake cannot hide in two of them. Nodes are
// token * channels + channel, without the batch.
#pragma once

#include <cstdint>
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

// Products into the output at `at`, whose mapped coordinate is j, from inputs of the same line.
inline void grid_terms(const DenseMap& map, const Shape& in, const Shape& out, const Index& at,
                       std::vector<Term>& terms) {
  const auto axis = static_cast<size_t>(map.axis);
  const std::int64_t j = at[axis];
  for (std::int64_t k = 0; k < in[axis]; ++k) {
    if (map.effective_wiring() == Wiring::grid_causal && k > j) continue;
    Index from = at;
    from[axis] = k;
    const std::int64_t row = map.weights == Weights::separate ? flat(in, from) : k;
    terms.push_back({flat(out, at), flat(in, from), row * map.out + j});
  }
}

inline void causal_terms(const DenseMap& map, const Shape& grid, const Index& at,
                         std::vector<Term>& terms) {
  const auto axis = static_cast<size_t>(map.axis);
  const std::int64_t size = grid[axis], node = flat(grid, at);
  std::int64_t step = 1;  // nodes between neighbours on the axis
  for (size_t a = axis + 1; a < grid.size(); ++a) step *= grid[a];
  for (std::int64_t d = 0; d < size && node - d * step >= 0; ++d) {
    std::int64_t row = 0;
    if (map.weights == Weights::separate) row = node;
    if (map.weights == Weights::by_position) row = at[axis];
    terms.push_back({node, node - d * step, row * size + d});
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
