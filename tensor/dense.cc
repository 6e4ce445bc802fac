#include "tensor/dense.h"

#include "core/error.h"

namespace ortho {
namespace {

void check(const DenseMap& map) {
  REQUIRE(map.axis >= 0 && map.axis <= static_cast<int>(map.tokens.size()), "dense map: axis ",
          map.axis, " of a grid with token axes ", shape_text(map.tokens), "; 0 to ",
          map.tokens.size(), ", the last being the channel axis");
  for (const std::int64_t size : map.tokens)
    REQUIRE(size >= 1, "dense map: token axes ", shape_text(map.tokens),
            ": every axis needs at least one token");
  REQUIRE(map.channels >= 1 && map.batch >= 1 && map.out >= 1, "dense map: channels ", map.channels,
          ", batch ", map.batch, " and output size ", map.out, " must be at least 1");
  REQUIRE(map.effective_wiring() != Wiring::mirrored,
          "dense map: wiring: mirrored is for map: joint; use wiring: grid, where every token of a "
          "line reaches every other");
  REQUIRE(!map.causal() || map.out == map.size(),
          "dense map: causal wiring keeps the size of axis ", map.axis, ": output size ", map.out,
          " is not ", map.size(), ". Resize in wiring: grid.");
  REQUIRE(map.effective_wiring() != Wiring::grid_causal || map.out == map.size(),
          "dense map: grid_causal wiring keeps the size of axis ", map.axis, ": output size ",
          map.out, " is not ", map.size(), ". Resize in wiring: grid.");
  REQUIRE(map.weights != Weights::by_position || map.causal(),
          "dense map: weights: by_position needs wiring: causal and a token axis; axis ", map.axis,
          map.on_channels() ? " is the channel axis" : " is wired as a grid",
          ". Use separate or shared.");
}

}  // namespace

std::int64_t DenseMap::size() const {
  return on_channels() ? channels : tokens[static_cast<size_t>(axis)];
}

Wiring DenseMap::effective_wiring() const { return on_channels() ? Wiring::grid : wiring; }

Shape weight_shape(const DenseMap& map) {
  check(map);
  const std::int64_t columns = map.causal() ? map.size() : map.out;
  Shape shape;
  if (map.weights == Weights::separate) {
    shape = map.tokens;
    shape.push_back(map.channels);
  } else if (!map.causal() || map.weights == Weights::by_position) {
    shape = {map.size()};
  }
  shape.push_back(columns);
  elements(shape);  // an absurd size is an error here, before anyone allocates it
  return shape;
}

Nodes input_nodes(const DenseMap& map) {
  check(map);
  const Nodes nodes{elements(map.tokens), map.batch, map.channels, map.order};
  checked_product(checked_product(nodes.tokens, nodes.batch), nodes.channels);
  return nodes;
}

Nodes output_nodes(const DenseMap& map) {
  check(map);
  DenseMap resized = map;
  if (map.on_channels()) {
    resized.channels = map.out;
  } else {
    resized.tokens[static_cast<size_t>(map.axis)] = map.out;
  }
  return input_nodes(resized);
}

}  // namespace ortho
