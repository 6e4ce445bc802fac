// Shrinking: which weights stay, that it undoes a growth, and that moments and step counts follow.
#include "model/shrink.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "tests/support/grow_rows.h"

namespace ortho {
namespace {

BoxSource<float> source_of(Params<float>& params) {
  return [&params](const std::string& name, const Box& box, float* out) {
    const Param<float>& param = params.at(name);
    copy_box(param.value, param.spec.shape(), box, out, extent(box), Index(box.lo.size(), 0));
  };
}

Params<float> drawn(const ModelSpec& spec, std::uint64_t seed) {
  Params<float> params(param_specs(spec));
  params.initialise(seed);
  return params;
}

Params<float> shrunk(const ModelSpec& from, const ModelSpec& to, Params<float>& params) {
  Params<float> smaller(param_specs(to));
  apply_growth(plan_growth(from, to, choose_kept(from, to, source_of(params))), params, smaller, 9);
  return smaller;
}

void expect_near(const Params<float>& a, const Params<float>& b, const std::string& what) {
  for (size_t p = 0; p < a.all().size(); ++p) {
    const Param<float>&x = a.all()[p], &y = b.all()[p];
    // A gain was scaled by sqrt(a / b) and by its inverse: two roundings, each 2^-24 of it.
    const float bound = x.spec.role == Role::gain ? 4e-7F : 0.0F;
    for (std::int64_t i = 0; i < x.size; ++i)
      ASSERT_NEAR(x.value[i], y.value[i], bound) << what << ": " << x.spec.name << " at " << i;
  }
}

// ---- what growth added is taken away again, to the bit ----

int undo_row(MapKind map, const Row& row, std::uint64_t seeds) {
  int undone = 0;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const ModelSpec from = random_spec(map, seed), to = changed(from, row.change);
    if (to == from) continue;
    Params<float> params = drawn(from, seed), grown(param_specs(from));
    try {
      grown = Params<float>(param_specs(to));
      const GrowPlan plan = plan_growth(from, to);
      apply_growth(plan, params, grown, seed + 1);
      StepCounts counts = no_steps(param_specs(from));
      add_steps(counts, 5);
      const GrowPlan back = plan_growth(to, from, choose_kept(to, from, source_of(grown)));
      EXPECT_TRUE(grow_steps(back, grow_steps(plan, counts)) == counts) << row.name << ", " << seed;
      EXPECT_EQ(static_cast<int>(back.promise.kind), static_cast<int>(PromiseKind::none));
      EXPECT_FALSE(back.lines.empty());
    } catch (const Error& error) {
      EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(ErrorKind::usage)) << error.what();
      continue;
    }
    expect_near(shrunk(to, from, grown), params, text(row.name, ", seed ", seed));
    ++undone;
  }
  return undone;
}

class ShrinkRows : public testing::TestWithParam<Row> {};

TEST_P(ShrinkRows, UndoesTheGrowth) {
  EXPECT_GT(undo_row(MapKind::joint, GetParam(), 40) + undo_row(MapKind::dense, GetParam(), 60),
            20);
}

std::vector<Row> rows_back() {
  std::vector<Row> rows;
  for (const Row& row : kRows) {
    // Weights that differ cannot be shared, symbols stay known, and so on: docs/guide.md, section 4.
    const std::set<std::string> stays = {
        "separate", "by_position",         "per_channel", "tied to shared", "heads",
        "branches", "branches and blocks", "biases",      "no window",      "symbols",
        "words",    "everything"};
    if (!stays.contains(row.name)) rows.push_back(row);
  }
  return rows;
}

INSTANTIATE_TEST_SUITE_P(All, ShrinkRows, testing::ValuesIn(rows_back()), [](const auto& row) {
  std::string name = row.param.name;
  for (char& letter : name)
    if (letter == ' ') letter = '_';
  return name;
});

// ---- which weights stay ----

TEST(Shrink, KeepsTheUnitsWithTheLargestNorms) {
  const ModelSpec from = joint({2}), to = changed(from, [](ModelSpec&s) { s.hidden = 2; });
  Params<float> params(param_specs(from));
  Param<float>&w1 = params.at("block.0.axis.0.w1"), &w2 = params.at("block.0.axis.0.w2");
  std::fill_n(w1.value, w1.size, 1.0F);
  const float norms[] = {1, 4, 3, 2};  // w2 is [hidden][channel]
  for (std::int64_t i = 0; i < w2.size; ++i) w2.value[i] = norms[i / 3];
  w1.value[1] = 5;  // unit 1 of u
  Params<float> smaller = shrunk(from, to, params);
  const Param<float>& out = smaller.at("block.0.axis.0.w2");
  EXPECT_EQ(out.value[0], 4);
  EXPECT_EQ(out.value[3], 3);
  EXPECT_EQ(smaller.at("block.0.axis.0.w1").value[0], 5);
  // A unit that nothing reads goes, however large its way in.
  std::fill_n(w2.value + 3, 3, 0.0F);
  EXPECT_EQ(shrunk(from, to, params).at("block.0.axis.0.w2").value[0], 3);
}

TEST(Shrink, KeepsPartnersAndKindsOfUnits) {
  enum class Kinds { sorted, active, mirrored };
  for (const Kinds kinds : {Kinds::sorted, Kinds::active, Kinds::mirrored}) {
    const ModelSpec from = changed(joint({2}), [&](ModelSpec& s) {
      s.hidden = 8, s.gate = false;
      if (kinds == Kinds::sorted) s.activation = Activation::sort2;
      if (kinds == Kinds::active) s.active = 0.5;
      if (kinds == Kinds::mirrored) s.wiring = Wiring::mirrored;
    });
    const ModelSpec to = changed(from, [](ModelSpec& s) { s.hidden = 4; });
    Params<float> params = drawn(from, 3);
    Param<float>& w2 = params.at("block.0.axis.0.w2");
    for (std::int64_t i = 0; i < w2.size; ++i) w2.value[i] = i / 3 >= 6 ? 100 : 1;
    const Kept kept = choose_kept(from, to, source_of(params));
    const std::vector<std::int64_t>& units = kept.units.at("block.0.axis.0");
    ASSERT_EQ(units.size(), 4U);
    EXPECT_LT(units[1], 4);  // two of each kind stay, although both largest are of the second
    EXPECT_EQ(units[2], 6);
    EXPECT_EQ(units[3], 7);
    if (kinds == Kinds::sorted) {
      EXPECT_EQ(units[0], 2);
      EXPECT_EQ(units[1], 3);
    }
  }
}

TEST(Shrink, KeepsTheChannelsThatAreWrittenMost) {
  const ModelSpec from = joint({2}), to = changed(from, [](ModelSpec&s) { s.channels = 2; });
  Params<float> params = drawn(from, 3);
  Param<float>& table = params.at("embed.text.symbol");
  for (std::int64_t i = 0; i < table.size; ++i) table.value[i] = i % 3 == 1 ? 0.0F : 2.0F;
  Param<float>& w2 = params.at("block.0.axis.0.w2");
  std::fill_n(w2.value, w2.size, 0.0F);
  const Kept kept = choose_kept(from, to, source_of(params));
  EXPECT_EQ(kept.channels, (std::vector<std::int64_t>{0, 2}));
  EXPECT_EQ(kept.share, 1);  // channel 1 was never written: the rest fills the mean alone
  const Params<float> smaller = shrunk(from, to, params);
  EXPECT_FLOAT_EQ(smaller.all()[1].value[0], std::sqrt(1.5F));
  ASSERT_EQ(smaller.all()[1].spec.name, "block.0.axis.0.gain");
}

TEST(Shrink, RemovedAxisLeavesCoordinateZero) {
  const ModelSpec from = changed(joint({3, 2}), [](ModelSpec& s) {
    s.map = MapKind::dense, s.weights = Weights::separate, s.wiring = Wiring::grid;
  });
  const ModelSpec to = changed(from, [](ModelSpec& s) { s.tokens = {2}; });
  Params<float> params = drawn(from, 3);
  Params<float> smaller = shrunk(from, to, params);
  for (const char* name : {"block.0.axis.0.w", "block.0.channel.w"}) {
    const Param<float>&was = params.at(name), &is = smaller.at(name);
    ASSERT_EQ(was.size, 3 * is.size) << name;  // the removed axis is the outermost dimension
    EXPECT_EQ(std::memcmp(was.value, is.value, static_cast<size_t>(is.size) * sizeof(float)), 0);
  }
  EXPECT_FALSE(smaller.has("block.0.axis.1.w"));
}

TEST(Shrink, SetsAndKindsOfMapsStayWithTheirAxes) {
  const ModelSpec from = changed(joint({2, 2, 3}), [](ModelSpec& s) {
    s.maps = {MapKind::attention, MapKind::joint, MapKind::joint}, s.sets = {1, 2, 2};
  });
  const ModelSpec to = changed(from, [](ModelSpec& s) {
    s.tokens = {2, 3}, s.maps = {MapKind::joint, MapKind::joint}, s.sets = {1, 1};
  });
  Params<float> params = drawn(from, 3);
  Params<float> smaller = shrunk(from, to, params);
  for (const Param<float>& is : smaller.all()) {
    const Param<float>& was = params.at(is.spec.name);
    ASSERT_EQ(was.size, is.size) << is.spec.name;
    EXPECT_EQ(std::memcmp(was.value, is.value, static_cast<size_t>(is.size) * sizeof(float)), 0);
  }
  EXPECT_TRUE(smaller.has("block.0.axis.0+1.w1"));
  EXPECT_FALSE(smaller.has("block.0.axis.2.value"));
}

TEST(Shrink, MomentsAndStepsFollowPickedUnits) {
  const ModelSpec from = joint({2}), to = changed(from, [](ModelSpec&s) { s.hidden = 2; });
  Kept kept;
  kept.units["block.0.axis.0"] = {1, 3};
  const GrowPlan plan = plan_growth(from, to, kept);
  StepCounts counts = no_steps(param_specs(from));
  for (size_t i = 0; i < plan.params.size(); ++i) {
    const ParamGrowth& growth = plan.params[i];
    if (growth.spec.name != "block.0.axis.0.w2") continue;
    counts[i] = {{{{0, 0}, {2, 3}}, 7}, {{{2, 0}, {4, 3}}, 2}};
    std::vector<float> moments(6);
    grow_moments<float>(
        growth, whole(growth.spec.shape()),
        [](const std::string&, const Box& box, float* out) {
          for (std::int64_t r = box.lo[0]; r < box.hi[0]; ++r)
            for (std::int64_t c = box.lo[1]; c < box.hi[1]; ++c)
              *out++ = static_cast<float>(10 * r + c);
        },
        moments.data());
    EXPECT_EQ(moments, (std::vector<float>{10, 11, 12, 30, 31, 32}));
    EXPECT_EQ(grow_steps(plan, counts)[i], (Regions{{{{1, 0}, {2, 3}}, 2}, {{{0, 0}, {1, 3}}, 7}}));
  }
}

TEST(Shrink, GoesWithGrowthInOneStage) {
  const ModelSpec from = joint({2, 3});
  const ModelSpec to = changed(from, [](ModelSpec& s) { s.tokens = {3}, s.blocks = 2; });
  const GrowPlan plan = plan_growth(from, to);
  EXPECT_EQ(plan.lines.size(), 2U);
  EXPECT_EQ(static_cast<int>(plan.promise.kind), static_cast<int>(PromiseKind::none));
  EXPECT_TRUE(shrinks(from, to));
  EXPECT_FALSE(shrinks(joint({3}), to));
}

}  // namespace
}  // namespace ortho
