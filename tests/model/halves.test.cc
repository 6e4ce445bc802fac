// A gate's two halves as a dimension of their own: u and v of a hidden unit stay together when the
// units are cut over ranks, and when they grow.
#include <gtest/gtest.h>

#include "tests/support/grow_rows.h"

namespace ortho {
namespace {

ModelSpec gated(MapKind map, Wiring wiring = Wiring::causal) {
  return changed(joint({2, 3}), [&](ModelSpec& spec) { spec.map = map, spec.wiring = wiring; });
}

std::string shape_of(const ModelSpec& spec, const std::string& name) {
  for (const ParamSpec& param : param_specs(spec))
    if (param.name == name) return shape_text(param.shape());
  return "none";
}

TEST(Halves, AreADimensionBeforeTheUnits) {
  const ModelSpec causal = gated(MapKind::joint), grid = gated(MapKind::joint, Wiring::grid);
  EXPECT_EQ(shape_of(causal, "block.0.axis.1.w1"), "[2, 3, 2, 4]");
  EXPECT_EQ(shape_of(grid, "block.0.axis.1.w1"), "[2, 3, 2, 2, 4]");
  EXPECT_EQ(shape_of(causal, "block.0.axis.1.w2"), "[4, 3]");
  ModelSpec dense = gated(MapKind::dense);
  EXPECT_EQ(shape_of(dense, "block.0.in"), "[3, 2, 4]");
  EXPECT_EQ(shape_of(dense, "block.0.channel.w"), "[2, 4, 2, 4]");
  EXPECT_EQ(shape_of(dense, "block.0.axis.0.w"), "[3]");  // shared by all channels
  dense.weights = Weights::separate;
  EXPECT_EQ(shape_of(dense, "block.0.axis.0.w"), "[2, 3, 2, 4, 3]");
  EXPECT_EQ(shape_of(dense, "block.0.channel.w"), "[2, 3, 2, 4, 2, 4]");
  dense.gate = false;
  EXPECT_EQ(shape_of(dense, "block.0.in"), "[3, 4]");
  EXPECT_EQ(shape_of(dense, "block.0.channel.w"), "[2, 3, 4, 4]");
}

// The residual stream's channels are no halves, even where there are 2E of them.
TEST(Halves, OfALayerThatMakesThemItself) {
  const ModelSpec spec = changed(gated(MapKind::dense), [](ModelSpec& s) {
    s.in = false, s.combine = Combine::single, s.channels = 8;
  });
  EXPECT_EQ(shape_of(spec, "block.0.channel.w"), "[8, 2, 4]");
}

// The dimension of this kind, of those along the channels.
size_t dim_of(const ParamSpec& spec, DimKind kind) {
  for (size_t d = 0; d < spec.dims.size(); ++d)
    if (spec.dims[d].kind == kind && spec.dims[d].axis == -1) return d;
  ADD_FAILURE() << spec.name << " has no such dimension";
  return 0;
}

// Each rank's part of one dimension is a Box that holds the same units of u and of v.
void expect_matching_units(const ModelSpec& spec, const std::string& name, DimKind kind) {
  const int ranks = 3;  // of 4 units: 2, 1 and 1
  Params<float> all(param_specs(spec));
  all.initialise(5);
  const Param<float>& whole_weight = all.at(name);
  const size_t cut = dim_of(whole_weight.spec, kind);
  ASSERT_EQ(whole_weight.spec.dims[cut - 1].kind, DimKind::half) << name;
  const std::int64_t inner = strides(whole_weight.spec.shape())[cut];
  for (int rank = 0; rank < ranks; ++rank) {
    const Layout layout(Mesh({{"channels", ranks}}), {static_cast<int>(cut)});
    Params<float> part({whole_weight.spec}, {layout}, rank);
    part.initialise(5);
    const Range units = split(spec.hidden, ranks, rank);
    const std::int64_t row = 2 * units.size() * inner, whole_row = 2 * spec.hidden * inner;
    ASSERT_EQ(part.size() % row, 0);
    for (std::int64_t r = 0; r < part.size() / row; ++r)
      for (std::int64_t half = 0; half < 2; ++half)
        for (std::int64_t i = 0; i < units.size() * inner; ++i)
          ASSERT_EQ(part.at(name).value[r * row + half * units.size() * inner + i],
                    whole_weight.value[r * whole_row + (half * spec.hidden + units.lo) * inner + i])
              << name << ", rank " << rank;
  }
}

TEST(Halves, ACutOfTheUnitsHoldsMatchingColumnsOfBoth) {
  ModelSpec dense = gated(MapKind::dense);
  dense.weights = Weights::separate;
  expect_matching_units(gated(MapKind::joint), "block.0.axis.0.w1", DimKind::hidden);
  expect_matching_units(gated(MapKind::joint, Wiring::grid), "block.0.axis.1.w1", DimKind::hidden);
  expect_matching_units(dense, "block.0.in", DimKind::hidden);
  expect_matching_units(dense, "block.0.axis.1.w", DimKind::line);
  expect_matching_units(dense, "block.0.channel.w", DimKind::axis_in);
  expect_matching_units(dense, "block.0.channel.w", DimKind::axis_out);
}

TEST(Halves, AreOneDimensionToTheMaps) {
  const Dim line{DimKind::line, 3, 0}, half{DimKind::half, 2}, in{DimKind::axis_in, 4},
      out{DimKind::axis_out, 4};
  EXPECT_EQ(merge_halves({line, half, in, half, out}, {3, 2, 4, 2, 4}), (Shape{3, 8, 8}));
  EXPECT_EQ(merge_halves({line, half, in, half, out}, {3, 2, 1, 2, 4}), (Shape{3, 2, 8}));
  EXPECT_EQ(merge_halves({line, in}, {3, 4}), (Shape{3, 4}));
}

// ---- growth ----

// Where unit e of 8 comes from, of 4: those of the second kind move behind the new of the first.
std::int64_t old_unit(std::int64_t e) { return e < 2 ? e : e >= 4 && e < 6 ? e - 2 : -1; }

// The old w1 [.., half, e] and w2 [e, ..] hold numbers that tell their place.
void expect_units_together(const ModelSpec& from) {
  const ModelSpec to = changed(from, [](ModelSpec& spec) { spec.hidden = 8; });
  Params<double> before(param_specs(from)), after(param_specs(to));
  for (size_t i = 0; i < before.values().size(); ++i)
    before.values()[i] = static_cast<double>(i + 1);
  apply_growth(plan_growth(from, to), before, after, 9);
  const auto &w1 = after.at("block.0.axis.0.w1"), &old = before.at("block.0.axis.0.w1");
  const auto &w2 = after.at("block.0.axis.0.w2"), &old2 = before.at("block.0.axis.0.w2");
  for (std::int64_t e = 0; e < 8; ++e) {
    if (old_unit(e) < 0) continue;
    for (std::int64_t row = 0; row < 9; ++row)  // 3 taps x 3 channels
      for (std::int64_t half = 0; half < 2; ++half)
        EXPECT_EQ(w1.value[(row * 2 + half) * 8 + e],
                  old.value[(row * 2 + half) * 4 + old_unit(e)]);
    for (std::int64_t c = 0; c < 3; ++c)
      EXPECT_EQ(w2.value[e * 3 + c], old2.value[old_unit(e) * 3 + c]);
  }
}

const Change kPartial = [](ModelSpec& spec) { spec.active = 0.5; };
const Change kSorted = [](ModelSpec& spec) { spec.activation = Activation::sort2; };

TEST(Halves, GrowingUnitsStayTogether) {
  expect_units_together(changed(gated(MapKind::joint), kPartial));
  expect_units_together(changed(gated(MapKind::joint), kSorted));
}

// u * act(v) is 0 where u is, and has a gradient for u only where v is not.
TEST(Halves, WithoutAWayOutNewUnitsOfVAreDrawn) {
  const ModelSpec from =
      changed(gated(MapKind::joint), [](ModelSpec& s) { s.out = false, s.hidden = 3; });
  const ModelSpec to = changed(from, [](ModelSpec& s) {
    s.tokens = {2, 2, 3};
    s.channels = s.hidden = 5;
  });
  Params<double> before(param_specs(from)), after(param_specs(to));
  apply_growth(plan_growth(from, to), before, after, 9);
  const auto expect_new = [&](const std::string& name, std::int64_t old_units) {
    const Param<double>& w1 = after.at(name);
    for (std::int64_t i = 0; i < w1.size; ++i) {
      const std::int64_t half = i / 5 % 2, unit = i % 5;
      if (unit < old_units) continue;
      EXPECT_EQ(w1.value[i], half == 0 ? 0 : initial_value(w1.spec, 9, i)) << name << ' ' << i;
    }
  };
  expect_new("block.0.axis.0.w1", 3);
  expect_new("block.0.axis.2.w1", 0);
}

TEST(Halves, GrowingUnitsKeepThePromise) {
  for (const MapKind map : {MapKind::joint, MapKind::dense})
    for (const Wiring wiring : {Wiring::causal, Wiring::grid})
      for (const Change& kind : {Change([](ModelSpec&) {}), kPartial, kSorted}) {
        const ModelSpec from = changed(gated(map, wiring), kind);
        const GrowPlan plan =
            plan_growth(from, changed(from, [](ModelSpec& spec) { spec.hidden = 8; }));
        EXPECT_TRUE(grow_and_check<float>(plan, plan, 3).kept);
        const PromiseCheck exact = grow_and_check<double>(plan, plan, 3);
        EXPECT_LE(exact.largest_difference, bound_in_double(plan) * exact.largest_logit);
      }
}

}  // namespace
}  // namespace ortho
