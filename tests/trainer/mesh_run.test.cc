// Whole runs on meshes that change from stage to stage, against the same run on one rank.
//
// Every kind of map, wiring and order of axes grows four times while 2, 3, 4 or 8 ranks share its
// batch, its token axes or both; sizes are such that no part is as large as another.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <sstream>

#include "tests/support/errors.h"
#include "tests/support/run_kit.h"
#include "trainer/mesh_choice.h"

namespace ortho {
namespace {

constexpr size_t kStages = 4;
using Meshes = std::array<MeshConfig, kStages>;

// The last stage of a model of shared weights has separate ones.
struct Kind {
  const char* name;
  MapKind map;
  Weights weights;
  Wiring wiring;
  Combine combine;
  std::vector<Meshes> meshes;
};

void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

constexpr std::int64_t kSteps = 20;

// With T = 1 the batch alone can be cut: as in the first stage of next_token.
const Meshes kTwo = {{{2, {}}, {0, {2}}, {0, {1, 2}}, {0, {2}}}};
const Meshes kFour = {{{4, {}}, {2, {2}}, {0, {2, 2}}, {2, {1, 2}}}};
const Meshes kFourInside = {{{4, {}}, {2, {1, 2}}, {0, {4}}, {0, {2, 2}}}};
const Meshes kEight = {{{8, {}}, {4, {1, 2}}, {2, {2, 2}}, {2, {4}}}};
const Meshes kEightParts = {{{8, {}}, {4, {2}}, {2, {2, 2}}, {0, {4, 2}}}};
// One_shot begins with an axis of 5.
const Meshes kTwoOfFive = {{{0, {2}}, {2, {}}, {0, {1, 2}}, {0, {2}}}};
const Meshes kThree = {{{0, {3}}, {0, {1, 3}}, {0, {3}}, {0, {1, 3}}}};
const Meshes kFourOfFive = {{{0, {4}}, {2, {2}}, {0, {2, 2}}, {4, {}}}};
const Meshes kEightOfFive = {{{2, {4}}, {4, {2}}, {0, {2, 4}}, {2, {2, 2}}}};

using enum MapKind;
using enum Weights;
using enum Wiring;
using enum Combine;

const std::vector<Kind> kKinds = {
    {"joint_causal", joint, shared, causal, sequential, {kTwo, kFour, kEightParts}},
    {"joint_causal_parallel", joint, shared, causal, parallel, {kFourInside}},
    {"joint_grid", joint, shared, grid, sequential, {kTwoOfFive, kThree, kEightOfFive}},
    {"separate_causal", dense, separate, causal, sequential, {kTwo, kFourInside}},
    {"separate_causal_parallel", dense, separate, causal, parallel, {kEight}},
    {"separate_grid", dense, separate, grid, sequential, {kThree, kFourOfFive}},
    {"separate_grid_parallel", dense, separate, grid, parallel, {kEightOfFive}},
    {"separate_grid_causal", dense, separate, grid_causal, sequential, {kFour}},
    {"separate_grid_causal_parallel", dense, separate, grid_causal, parallel, {kTwo}},
    {"shared_causal", dense, shared, causal, sequential, {kFour}},
    {"shared_causal_parallel", dense, shared, causal, parallel, {kTwo}},
    {"shared_grid", dense, shared, grid, sequential, {kEightOfFive}},
    {"shared_grid_parallel", dense, shared, grid, parallel, {kThree}},
    {"shared_grid_causal", dense, shared, grid_causal, sequential, {kFourInside}},
    {"shared_grid_causal_parallel", dense, shared, grid_causal, parallel, {kEight}},
};

int ranks_of(const MeshConfig& mesh) {
  std::int64_t ranks = std::max<std::int64_t>(1, mesh.batch);
  for (const std::int64_t axis : mesh.tokens) ranks *= axis;
  return static_cast<int>(ranks);
}

// An axis added on the outside, one lengthened, a block, tables and modalities added; 5 steps each.
// Its mesh is that of one rank.
RunConfig config_of(const RunKit& kit, const Kind& kind) {
  RunConfig config = kit.config(kind.name);
  const bool one_shot = kind.wiring == grid;
  const std::array<Shape, kStages> tokens =
      one_shot                ? std::array<Shape, kStages>{{{5}, {3, 5}, {6, 5}, {6, 5}}}
      : kind.wiring == causal ? std::array<Shape, kStages>{{{}, {3, 2}, {5, 2}, {5, 2}}}
                              : std::array<Shape, kStages>{{{}, {3, 2}, {6, 2}, {6, 2}}};
  config.evaluate.every = 3;
  config.checkpoint.every = 0;
  for (size_t i = 0; i < kStages; ++i) {
    StageConfig& stage = config.stages[i];
    ModelSpec& model = stage.model;
    model.map = kind.map;
    model.weights = i + 1 == kStages && kind.map == dense ? separate : kind.weights;
    model.wiring = kind.wiring;
    model.combine = kind.combine;
    model.tokens = tokens[i];
    model.channels = 7;
    model.hidden = 5;
    stage.batch.windows = 8;
    stage.until.steps = kSteps / static_cast<std::int64_t>(kStages);
    if (!one_shot) continue;
    stage.objective = {0, 1};
    stage.data.train.front() = kit / "pairs";
  }
  return config;
}

// Records that one_shot can use: a word, and what follows it.
void pack_pairs(const std::string& folder) {
  PackRule options;
  options.output = folder;
  std::vector<PackItem> items;
  for (int i = 0; i < 40; ++i) {
    const auto letter = [&](int n) { return std::string(1, static_cast<char>('a' + n % 7)); };
    items.push_back(item_of({{PackPart::Kind::text, letter(i) + letter(i + 1) + letter(2 * i)},
                             {PackPart::Kind::text, letter(i + 2) + letter(i + 3)}},
                            i));
  }
  pack({}, items, options);
}

RunConfig on_meshes(RunConfig config, const std::string& out, const Meshes& meshes) {
  config.out = out;
  for (size_t i = 0; i < kStages; ++i) config.stages[i].mesh = meshes[i];
  return config;
}

void run_on(const RunConfig& config) {
  run_local_ranks(ranks_of(config.stages.front().mesh),
                  [&](Channel& world) { EXPECT_TRUE(TrainingRun(config, world).go()); });
}

// "step 3 axes", "growth 5", …: metric_lines without the numbers that floats decide.
std::vector<std::string> events(const RunConfig& config) {
  std::vector<std::string> all;
  for (const std::string& line : metric_lines(config)) {
    std::istringstream words(line);
    std::string event, step, stage;
    words >> event >> step;
    if (event != "growth") words >> stage;
    all.push_back(event + " " + step + " " + stage);
  }
  return all;
}

double largest_relative(const std::vector<double>& found, const std::vector<double>& expected) {
  EXPECT_EQ(found.size(), expected.size());
  double largest = 0;
  for (size_t i = 0; i < std::min(found.size(), expected.size()); ++i)
    largest = std::max(largest, std::abs(found[i] / expected[i] - 1));
  return largest;
}

// As a share of the largest weight.
double largest_of_weights(RunState& found, RunState& expected) {
  const auto is = found.params.values(), was = expected.params.values();
  EXPECT_EQ(is.size(), was.size());
  double largest = 0, scale = 0;
  for (size_t i = 0; i < std::min(is.size(), was.size()); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(is[i]) - was[i]));
    scale = std::max(scale, std::abs(static_cast<double>(was[i])));
  }
  return largest / scale;
}

// Sums that cross ranks are added in another order. Measured over all runs below: at most 1e-7 of a
// loss and 5e-5 of the largest weight, for Adam divides a gradient that is next to nothing by its
// own size. A window that is lost or another dropout mask changes losses by more than 1e-3.
constexpr double kLossBound = 1e-6;
constexpr double kWeightBound = 1e-3;

void expect_like_one_rank(const RunConfig& many, const RunConfig& one) {
  EXPECT_EQ(events(many), events(one));
  const double losses = largest_relative(metric_losses(many, "step"), metric_losses(one, "step"));
  const double held_out =
      largest_relative(metric_losses(many, "evaluate"), metric_losses(one, "evaluate"));
  const auto state = newest_state(many), expected = newest_state(one);
  ASSERT_TRUE(state && expected);
  const double weights = largest_of_weights(*state, *expected);
  EXPECT_LT(losses, kLossBound);
  EXPECT_LT(held_out, kLossBound);
  EXPECT_LT(weights, kWeightBound);
  EXPECT_EQ(state->step, kSteps);
  EXPECT_EQ(state->cursors, expected->cursors);
  EXPECT_EQ(state->tokens, expected->tokens);
  EXPECT_EQ(state->growths.size(), kStages - 1);
  for (const std::string& growth : state->growths) expect_in(", kept", growth);
}

class MeshRun : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override { pack_pairs(kit_ / "pairs"); }
  RunKit kit_;
};

TEST_P(MeshRun, IsTheRunOfOneRank) {
  const RunConfig one = config_of(kit_, GetParam());
  ASSERT_TRUE(run(one));
  int number = 0;
  for (const Meshes& meshes : GetParam().meshes) {
    const RunConfig many = on_meshes(one, text(one.out, "-", ++number), meshes);
    SCOPED_TRACE(text(ranks_of(meshes.front()), " ranks"));
    run_on(many);
    expect_like_one_rank(many, one);
  }
}

INSTANTIATE_TEST_SUITE_P(All, MeshRun, testing::ValuesIn(kKinds),
                         [](const auto& tested) { return std::string(tested.param.name); });

// The only axis is cut: where it must be whole the windows are, and still no rank may be left with
// a single row, whose products round otherwise: the promise is exact.
TEST(MeshGrowth, OfTheOnlyAxisIsExact) {
  const RunKit kit;
  for (const int ranks : {2, 4}) {
    RunConfig config = kit.config(text("on", ranks), text("mesh: {tokens: [", ranks, "]}"));
    config.stages = {config.stages[1], config.stages[2]};
    config.stages[0].model.tokens = {4};
    config.stages[1].model.tokens = {8};
    for (StageConfig& stage : config.stages) stage.model.channels = stage.model.hidden = 8;
    run_on(config);
    const auto state = newest_state(config);
    ASSERT_EQ(state->growths.size(), 1u);
    expect_in("unchanged exactly: largest difference 0 of", state->growths.front());
  }
}

// Killed after `step` on the mesh of `from`, and gone on with the mesh of `to`.
void expect_goes_on(const RunConfig& from, const RunConfig& to, std::int64_t step) {
  SCOPED_TRACE(text("after step ", step, " on ", ranks_of(to.stages.front().mesh), " ranks"));
  copy_run(from, to, step);
  ASSERT_EQ(newest_state(to)->step, step);
  run_on(to);
  const std::vector<double> expected = step_losses(from), found = step_losses(to);
  ASSERT_EQ(found.size(), expected.size());
  EXPECT_TRUE(std::equal(found.begin(), found.begin() + step, expected.begin()));
  expect_like_one_rank(to, from);
}

class MeshResume : public testing::TestWithParam<Kind> {};

// In the middle of every stage, and at the end of one, where the next step is a growth.
TEST_P(MeshResume, OnAnyOtherMeshIsTheSameRun) {
  const RunKit kit;
  RunConfig config = config_of(kit, GetParam());
  config.checkpoint.every = 4;
  const RunConfig from = on_meshes(config, config.out, kFour);
  run_on(from);
  const Meshes one_rank;
  const std::vector<std::pair<Meshes, std::int64_t>> others = {
      {kTwo, 4}, {kEight, 8}, {kFourInside, 12}, {kTwo, 15}, {one_rank, 16}};
  for (const auto& [meshes, step] : others)
    expect_goes_on(from, on_meshes(config, text(config.out, "-", step), meshes), step);
  const RunConfig same = on_meshes(config, config.out + "-same", kFour);
  copy_run(from, same, 12);
  run_on(same);
  expect_same_run(from, same);
}

INSTANTIATE_TEST_SUITE_P(All, MeshResume, testing::Values(kKinds[0], kKinds[3]),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace ortho
