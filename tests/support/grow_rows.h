// The rows of the growth table on random models: is each promise kept, is a broken rule noticed?
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "model/grow.h"
#include "tests/support/errors.h"
#include "tests/support/grow_kit.h"
#include "tests/support/model_kit.h"
#include "tests/support/promise_kit.h"

namespace ortho {

// Draws named choices of one seed.
class Draws {
 public:
  explicit Draws(std::uint64_t seed) : random_(seed, "spec") {}
  template <class V>
  V of(const std::vector<V>& values) {
    return values[static_cast<size_t>(random_.below(draw_++, values.size()))];
  }
  bool coin() { return random_.below(draw_++, 2) == 0; }

 private:
  Random random_;
  std::uint64_t draw_ = 0;
};

inline ModelSpec draw_spec(MapKind map, Draws& choice) {
  using enum Activation;
  ModelSpec spec;
  spec.map = map;
  spec.tokens = choice.of<Shape>({{}, {2}, {3}, {2, 3}, {2, 2}, {2, 2, 2}});
  spec.channels = choice.of<std::int64_t>({3, 4, 6});
  spec.hidden = choice.of<std::int64_t>({2, 4, 6});
  spec.blocks = choice.of<std::int64_t>({1, 2});
  spec.refeeds = choice.of<std::int64_t>({1, 2});
  spec.wiring = choice.of<Wiring>({Wiring::grid, Wiring::causal, Wiring::grid_causal});
  spec.combine = choice.of<Combine>({Combine::parallel, Combine::sequential, Combine::single});
  spec.sequence = choice.coin() ? Sequence::ascending : Sequence::descending;
  if (map == MapKind::dense)
    spec.weights = choice.of<Weights>({Weights::shared, Weights::separate, Weights::by_position});
  spec.in = choice.coin();
  spec.out = choice.coin() || choice.coin();
  if (!spec.out) spec.hidden = spec.channels;
  spec.gate = choice.coin();
  spec.norm = choice.of<Norm>({Norm::none, Norm::rms, Norm::layer});
  spec.residual = choice.coin() || choice.coin();
  spec.activation =
      choice.of<Activation>({none, melu, relu, leaky_relu, abs, elu, hard_tanh, sort2, gelu, silu});
  if (spec.activation != sort2) spec.active = choice.of<double>({1.0, 1.0, 0.5, 0.75});
  spec.width = choice.of<std::int64_t>({0, 0, 5});
  spec.modalities = choice.of<std::vector<Modality>>(
      {{Modality::text}, {Modality::audio}, {Modality::text, Modality::pixel}});
  spec.text_symbols = 7;
  spec.places = {choice.of<std::int64_t>({0, 4}), 3, 0, 0, choice.of<std::int64_t>({0, 6})};
  spec.items = choice.of<std::int64_t>({0, 2});
  spec.modality_head = spec.modalities.size() > 1 || choice.coin();
  spec.modality_table = choice.coin();
  spec.bias = choice.coin() && choice.coin();
  spec.branches = choice.of<std::int64_t>({1, 1, 2});
  spec.radius = choice.of<std::int64_t>({0, 0, 1, 2});
  if (spec.combine == Combine::parallel && choice.coin()) spec.self = Self::once;
  if (map == MapKind::dense) {
    spec.heads = choice.of<std::int64_t>({1, 1, 2});
    spec.weights =
        choice.of<Weights>({spec.weights, spec.weights, Weights::per_channel, Weights::tied});
  }
  // Without a draw, so that the other choices stay what they are.
  spec.item_head = spec.place_heads = spec.items > 0;
  spec.place_heads = !place_heads(spec).empty();
  return spec;
}

// Draws until the parts fit together.
inline ModelSpec random_spec(MapKind map, std::uint64_t seed) {
  Draws choice(seed);
  while (true) {
    const ModelSpec spec = draw_spec(map, choice);
    try {
      param_specs(spec);
      return spec;
    } catch (const Error&) {
    }
  }
}

struct Row {
  const char* name;
  Change change;
};

inline void lengthen(ModelSpec& spec, size_t axis, std::int64_t times) {
  if (axis < spec.tokens.size()) spec.tokens[axis] *= times;
}

inline const std::vector<Row> kRows = {
    {"axis added", [](ModelSpec& s) { s.tokens.insert(s.tokens.begin(), 3); }},
    {"axes added",
     [](ModelSpec& s) {
       s.tokens.insert(s.tokens.begin(), {2, 2});
     }},
    {"outermost axis lengthened", [](ModelSpec& s) { lengthen(s, 0, 2); }},
    {"second axis lengthened", [](ModelSpec& s) { lengthen(s, 1, 3); }},
    {"lengthened and added",
     [](ModelSpec& s) { lengthen(s, 0, 2), s.tokens.insert(s.tokens.begin(), 2); }},
    {"blocks", [](ModelSpec& s) { s.blocks += 2; }},
    {"channels", [](ModelSpec& s) { s.channels += 2, s.hidden += s.out ? 0 : 2; }},
    {"hidden", [](ModelSpec& s) { s.hidden += 2; }},
    {"channels and hidden", [](ModelSpec& s) { s.channels *= 2, s.hidden *= 2; }},
    {"separate", [](ModelSpec& s) { s.weights = Weights::separate; }},
    {"by_position", [](ModelSpec& s) { s.weights = Weights::by_position; }},
    {"per_channel", [](ModelSpec& s) { s.weights = Weights::per_channel; }},
    {"tied to shared", [](ModelSpec& s) { s.weights = Weights::shared; }},
    {"heads",
     [](ModelSpec& s) {
       const std::int64_t more = s.map == MapKind::dense ? 3 : 1;
       s.heads *= more, s.hidden *= more;
     }},
    {"branches", [](ModelSpec& s) { s.branches += 2; }},
    {"branches and blocks", [](ModelSpec& s) { s.branches += 1, s.blocks += 1; }},
    {"biases", [](ModelSpec& s) { s.bias = true; }},
    {"no window", [](ModelSpec& s) { s.radius = 0; }},
    {"a prefix",
     [](ModelSpec& s) {
       if (context(s) > s.identity + 1) ++s.identity;
     }},
    {"modalities",
     [](ModelSpec& s) {
       s.modalities = {Modality::audio, Modality::pixel, Modality::text};
       s.modality_head = s.modality_table = true;
     }},
    {"symbols", [](ModelSpec& s) { s.text_symbols += 20; }},
    {"words", [](ModelSpec& s) { s.words += has_modality(s, Modality::text) ? 4 : 0; }},
    {"places and items",
     [](ModelSpec& s) {
       s.places = {8, 9, 2, 2, 18}, s.items = 4;
     }},
    {"everything",
     [](ModelSpec& s) {
       s.tokens.insert(s.tokens.begin(), 2);
       s.blocks += 1, s.channels *= 2, s.hidden *= 2, s.text_symbols += 3;
     }},
};

// In double only the order of sums remains, and what rms's epsilon does to wider channels.
inline double bound_in_double(const GrowPlan& plan) {
  const bool epsilon = plan.to.norm == Norm::rms && plan.to.channels != plan.from.channels;
  return epsilon ? plan.promise.tolerance : std::min(plan.promise.tolerance, 1e-12);
}

template <class T>
PromiseCheck grow_and_check(const GrowPlan& applied, const GrowPlan& promised, std::uint64_t seed) {
  ModelKit<T> kit(applied.from, 1, seed);
  Params<T> grown(param_specs(applied.to));
  apply_growth(applied, kit.params, grown, seed + 1);
  return check_promise(promised, kit.params, grown, *kit.backend, seed);
}

// How many of the random specs grow by this row; what is refused (an inner axis in causal wiring,
// norm: layer …) or promises nothing is passed over.
inline int check_row(MapKind map, const Row& row, std::uint64_t seeds) {
  int kept = 0;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const ModelSpec from = random_spec(map, seed), to = changed(from, row.change);
    GrowPlan plan;
    try {
      plan = plan_growth(from, to);
    } catch (const Error& error) {
      EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(ErrorKind::usage)) << error.what();
      continue;
    }
    if (plan.promise.kind == PromiseKind::none) continue;
    const PromiseCheck single = grow_and_check<float>(plan, plan, seed);
    EXPECT_TRUE(single.kept) << row.name << ", seed " << seed << ": " << check_text(plan, single);
    const PromiseCheck exact = grow_and_check<double>(plan, plan, seed);
    EXPECT_LE(exact.largest_difference, bound_in_double(plan) * exact.largest_logit)
        << row.name << ", seed " << seed << ": " << check_text(plan, exact);
    EXPECT_GT(exact.largest_logit, 0);
    ++kept;
  }
  return kept;
}

// ---- a broken rule is noticed ----

using Damage = std::function<void(ParamGrowth&)>;

inline void draw_instead(ParamGrowth& growth) {  // nothing starts at zero or as the identity
  for (BoxFill& fill : growth.fills) fill.start = Start::init;
}
inline void forget_scale(ParamGrowth& growth) { growth.scale = 1; }
inline void forget_repeats(ParamGrowth& growth) {  // only the first copy is made
  if (!growth.copies.empty()) growth.copies.resize(1);
}
inline void mix_halves(ParamGrowth& growth) {  // u goes on with v's columns, v with u's
  const std::vector<Dim>& dims = growth.spec.dims;
  if (dims.size() < 2 || dims[dims.size() - 2].kind != DimKind::half) return;
  ASSERT_EQ(growth.copies.size(), 2U) << growth.spec.name;
  std::swap(growth.copies[0].from, growth.copies[1].from);
}

inline void expect_noticed(const char* what, const ModelSpec& from, const Change& change,
                           const Damage& damage) {
  const GrowPlan plan = plan_growth(from, changed(from, change));
  ASSERT_TRUE(grow_and_check<float>(plan, plan, 5).kept) << what;
  GrowPlan damaged = plan;
  for (ParamGrowth& growth : damaged.params) damage(growth);
  const PromiseCheck check = grow_and_check<float>(damaged, plan, 5);
  EXPECT_FALSE(check.kept) << what << ": " << check_text(plan, check);
}

}  // namespace ortho
