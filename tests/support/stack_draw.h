// Stacks of joint blocks on meshes of all kinds, drawn from (seed, number) alone.
#pragma once

#include <optional>
#include <vector>

#include "model/joint_sites.h"
#include "tests/support/exchange_kit.h"

namespace ortho::test {

struct StackCase {
  ModelSpec spec;
  std::int64_t windows = 1;
  Cuts cuts;
  Order order = Order::channels_inner;
};

inline std::string case_text(const StackCase& one) {
  const ModelSpec& spec = one.spec;
  return text(spec.map == MapKind::dense ? "dense " : "joint ", shape_text(spec.tokens), " x ",
              spec.channels, " channels x ", one.windows, " windows, mesh batch ", one.cuts.batch,
              " tokens ", list_text(one.cuts.tokens), " channels ", one.cuts.channels, ", wiring ",
              static_cast<int>(spec.wiring), spec.combine == Combine::parallel ? ", parallel" : "",
              spec.sequence == Sequence::ascending ? ", ascending" : "",
              spec.residual ? "" : ", no residual", spec.out ? "" : ", no way out",
              spec.in ? "" : ", no way in", spec.gate ? ", gate" : "", ", weights ",
              static_cast<int>(spec.weights), ", combine ", static_cast<int>(spec.combine),
              ", norm ", static_cast<int>(spec.norm), ", radius ", spec.radius,
              spec.self == Self::once ? ", self once" : "", spec.bias ? ", bias" : "", ", heads ",
              spec.heads, ", branches ", spec.branches,
              one.order == Order::batch_inner ? ", batch inner, " : ", ", spec.blocks, " blocks x ",
              spec.refeeds);
}

inline ModelSpec small_spec(const Shape& tokens) {
  ModelSpec spec;
  spec.tokens = tokens;
  spec.channels = 4;
  spec.hidden = 3;
  spec.blocks = 2;
  spec.gate = false;
  spec.activation = Activation::relu;
  spec.norm = Norm::none;
  spec.text_symbols = 1;
  return spec;
}

template <class Value>
Value one_of(Draw& draw, const std::vector<Value>& values) {
  return values[static_cast<size_t>(draw.below(static_cast<int>(values.size())))];
}

// Cuts of the batch and of up to three token axes, `ranks` in all, none below one element a rank.
inline std::optional<Cuts> draw_cuts(Draw& draw, const ModelSpec& spec, std::int64_t windows,
                                     int ranks) {
  Cuts cuts;
  cuts.tokens.assign(spec.tokens.size(), 1);
  for (int rest = ranks; rest > 1;) {
    std::vector<int> divisors;
    for (int d = 2; d <= rest; ++d)
      if (rest % d == 0) divisors.push_back(d);
    const int parts = one_of(draw, divisors);
    const int axis = draw.below(static_cast<int>(spec.tokens.size()) + 1);
    const bool batch = axis == static_cast<int>(spec.tokens.size());
    int& cut = batch ? cuts.batch : cuts.tokens[static_cast<size_t>(axis)];
    cut *= parts;
    if (cut > (batch ? windows : spec.tokens[static_cast<size_t>(axis)])) return std::nullopt;
    rest /= parts;
  }
  return cuts;
}

// Windows, biases, branches and nodes that do not hear themselves, in half of the cases none of them.
// Drawn apart: the rest stays what it is.
inline void draw_extras(std::uint64_t seed, std::uint64_t number, ModelSpec& spec) {
  Draw draw(seed + 1000, number);
  if (draw.below(2) == 0) return;
  spec.radius = one_of<std::int64_t>(draw, {0, 1, 2});
  spec.bias = draw.below(2) == 0;
  spec.branches = 1 + draw.below(2);
  const bool can = spec.combine == Combine::parallel && spec.residual;
  if (can && draw.below(2) == 0) spec.self = Self::once;
}

// Anything that the ranks can hold; axes of 1, primes, sizes that do not divide. `ranks` share the
// batch and the tokens, each part of which is on `channels` ranks.
inline StackCase draw_stack(std::uint64_t seed, std::uint64_t number, int ranks, int channels = 1) {
  Draw draw(seed, number);
  while (true) {
    Shape tokens(static_cast<size_t>(1 + draw.below(4)));
    for (std::int64_t& size : tokens) size = one_of<std::int64_t>(draw, {1, 2, 2, 3, 4, 5, 7});
    StackCase one;
    one.spec = small_spec(tokens);
    one.windows = one_of<std::int64_t>(draw, {1, 1, 2, 5});
    one.spec.wiring =
        one_of<Wiring>(draw, {Wiring::causal, Wiring::causal, Wiring::grid, Wiring::grid_causal});
    one.spec.combine = one_of<Combine>(draw, {Combine::sequential, Combine::parallel});
    one.spec.sequence = one_of<Sequence>(draw, {Sequence::ascending, Sequence::descending});
    one.order = one_of<Order>(draw, {Order::channels_inner, Order::batch_inner});
    one.spec.blocks = 1 + draw.below(2);
    one.spec.refeeds = 1 + draw.below(2);
    one.spec.residual = draw.below(3) > 0;
    if (!one.spec.residual) one.spec.blocks = 1;
    draw_extras(seed, number, one.spec);
    const std::optional<Cuts> cuts = draw_cuts(draw, one.spec, one.windows, ranks);
    if (!cuts || elements(tokens) > 300) continue;
    one.cuts = *cuts;
    one.cuts.channels = channels;
    try {
      joint_sites(one.spec, Sharding(one.spec, one.windows, one.cuts, 0, one.order));
    } catch (const Error&) {
      continue;  // fewer lines than ranks
    }
    return one;
  }
}

// The same of dense blocks. Not every draw is a model, and not every mesh has the lines.
inline StackCase draw_dense_stack(std::uint64_t seed, std::uint64_t number, int ranks,
                                  int channels) {
  Draw draw(seed, number);
  while (true) {
    Shape tokens(static_cast<size_t>(1 + draw.below(3)));
    for (std::int64_t& size : tokens) size = one_of<std::int64_t>(draw, {2, 2, 3, 4, 5, 7});
    StackCase one;
    ModelSpec& spec = one.spec = small_spec(tokens);
    one.order = Order::batch_inner;
    one.windows = one_of<std::int64_t>(draw, {1, 2, 5});
    spec.map = MapKind::dense;
    spec.weights = one_of<Weights>(draw, {Weights::separate, Weights::shared, Weights::by_position,
                                          Weights::per_channel, Weights::tied});
    spec.wiring = one_of<Wiring>(draw, {Wiring::causal, Wiring::grid, Wiring::grid_causal});
    spec.combine = one_of<Combine>(draw, {Combine::sequential, Combine::parallel, Combine::single});
    spec.single_axis = draw.below(2) - 1;
    spec.channel_axis = draw.below(3) > 0;
    spec.gate = draw.below(2) == 0;
    spec.in = draw.below(2) == 0;
    spec.out = draw.below(3) > 0;
    spec.residual = draw.below(3) > 0;
    spec.hidden = one_of<std::int64_t>(draw, {3, 4});
    draw_extras(seed, number, spec);
    if (draw.below(3) == 0) {
      spec.heads = one_of<std::int64_t>(draw, {2, 3});
      spec.hidden = spec.heads * one_of<std::int64_t>(draw, {1, 2});
    }
    if (!spec.in && spec.gate) spec.channels = 2 * spec.hidden;
    const std::optional<Cuts> cuts = draw_cuts(draw, spec, one.windows, ranks);
    if (!cuts || elements(tokens) > 100) continue;
    one.cuts = *cuts;
    one.cuts.channels = channels;
    try {
      check_spec(spec);
      param_layouts(spec, Sharding(spec, one.windows, one.cuts, 0));
    } catch (const Error&) {
      continue;
    }
    return one;
  }
}

}  // namespace ortho::test
