#include "tensor/dense.h"

#include <algorithm>

#include "core/error.h"

namespace ortho {
namespace {

void check_groups(const DenseMap& map) {
  REQUIRE(map.groups >= 0, "dense map: ", map.groups, " groups: 0 or more");
  if (map.groups == 0) return;
  const std::int64_t in = map.channels / (map.in_halves ? 2 : 1);
  REQUIRE(in % map.groups == 0, "dense map: ", map.groups, " groups do not divide ", in,
          " channels");
  if (!map.on_channels()) return;
  const std::int64_t out = map.out / (map.out_halves ? 2 : 1);
  REQUIRE(out % map.groups == 0, "dense map: ", map.groups, " groups do not divide ", out,
          " channels of the output");
}

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
  REQUIRE(!map.on_channels() || map.weights != Weights::per_channel,
          "dense map: weights: per_channel is for token axes; axis ", map.axis,
          " is the channel axis. Use separate or shared.");
  REQUIRE(map.radius >= 0 && (map.radius == 0 || !map.on_channels()), "dense map: radius ",
          map.radius, " of axis ", map.axis, ": 0 or more, and only of a token axis");
  REQUIRE((map.radius == 0 && map.self) || map.out == map.size(), "dense map: a radius of ",
          map.radius, map.self ? "" : ", and no node that receives from itself,",
          " needs as many outputs on axis ", map.axis, " as its size ", map.size(), "; here ",
          map.out);
  check_groups(map);
}

}  // namespace

std::int64_t DenseMap::size() const {
  return on_channels() ? channels : tokens[static_cast<size_t>(axis)];
}

Wiring DenseMap::effective_wiring() const { return on_channels() ? Wiring::grid : wiring; }

std::int64_t DenseMap::reach() const {
  return radius == 0 ? size() - 1 : std::min(radius, size() - 1);
}

std::int64_t DenseMap::slices() const {
  if (weights == Weights::per_channel) return channels;
  return std::max<std::int64_t>(groups, 1);
}

Shape weight_shape(const DenseMap& map) {
  check(map);
  Shape shape;
  if (map.weights == Weights::separate) {
    shape = map.tokens;
    shape.push_back(map.channels);
  } else {
    const bool grouped = map.groups > 0 && !map.on_channels();
    if (grouped || map.weights == Weights::per_channel) shape.push_back(map.slices());
    if (!map.causal() || map.weights == Weights::by_position) shape.push_back(map.size());
  }
  const std::int64_t outputs = map.on_channels() ? map.out / map.slices() : map.out;
  shape.push_back(map.causal() ? map.reach() + 1 : outputs);
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
