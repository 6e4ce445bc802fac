// Whole models on ranks that hold parts of batch, tokens and channels, against one rank.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "comm/local.h"
#include "tests/support/model_kit.h"

namespace ortho {
namespace {

constexpr std::int64_t kWindows = 3, kFirstWindow = 40;
const TermWeights kTermWeights = {{0.7, 1.0, 0.4, 1.3}};
const DropoutKey kDropout = {0.3, 3, 17, kFirstWindow};

ModelSpec small() {
  ModelSpec spec;
  spec.tokens = {5, 3, 2};
  spec.channels = 6;
  spec.hidden = 4;
  spec.text_symbols = 7;
  spec.modalities = {Modality::text, Modality::audio};
  spec.modality_head = spec.modality_table = true;
  spec.refeeds = 2;
  spec.width = 5;
  return spec;
}

const std::vector<Cuts> kCuts = {{3, {}, 1},     {1, {2}, 1},    {1, {1, 2}, 1}, {1, {2, 1, 2}, 1},
                                 {1, {3, 2}, 1}, {2, {1, 2}, 1}, {3, {2}, 1},    {2, {2, 2}, 1},
                                 {1, {}, 3},     {1, {2}, 2},    {3, {1, 2}, 2}, {2, {2}, 3}};

Batch whole_batch(const ModelSpec& spec) {
  Batch batch = random_batch(spec, kWindows, 11);
  batch.first_window = kFirstWindow;
  return batch;
}

// Sums over at most 90 rows and through 12 sublayers, in double, added in another order: measured
// 2e-15 of the largest gradient of a weight. Other dropout masks change it by some tenths.
constexpr double kShare = 1e-13;
// With the channels cut the activations are sums over ranks as well, and norms of rows that are
// nearly zero, as those of padding, make a rounding larger: measured 5e-13.
constexpr double kChannelShare = 1e-11;

double share_of(const Cuts& cuts) { return cuts.channels > 1 ? kChannelShare : kShare; }

void expect_steps_of_one_rank(const ModelSpec& spec, const std::vector<Cuts>& all_cuts) {
  const Batch batch = whole_batch(spec);
  ModelKit<double> one(spec, kWindows, 5);
  const TermSums sums = one.model.train(batch, kTermWeights, 60, kDropout);
  for (const Cuts& cuts : all_cuts)
    run_local_ranks(mesh_of(cuts).ranks(), [&](Channel& world) {
      const Sharding sharding(spec, kWindows, cuts, world.rank());
      ModelKit<double> kit(spec, sharding, &world, 5);
      const Batch mine = part_of(batch, windows_of(sharding));
      DropoutKey dropout = kDropout;
      dropout.first_window = mine.first_window;
      std::array<double, 1> loss = {
          kit.model.train(mine, kTermWeights, 60, dropout).nats[static_cast<size_t>(Term::text)]};
      world.sum(std::span<double>(loss));
      EXPECT_NEAR(loss[0], sums.nats[static_cast<size_t>(Term::text)], share_of(cuts) * loss[0]);
      std::vector<double> sum = test::whole_gradients(kit.params);
      world.sum(std::span<double>(sum));
      size_t next = 0;
      for (const Param<double>& truth : one.params.all()) {
        double largest = 0, difference = 0;
        for (std::int64_t i = 0; i < truth.size; ++i) {
          largest = std::max(largest, std::abs(truth.grad[i]));
          difference = std::max(difference, std::abs(truth.grad[i] - sum[next++]));
        }
        EXPECT_LE(difference, share_of(cuts) * largest)
            << truth.spec.name << ' ' << cuts_text(cuts);
      }
    });
}

TEST(ModelShard, ATrainingStepWithDropoutIsThatOfOneRank) {
  for (const Wiring wiring : {Wiring::causal, Wiring::grid}) {
    ModelSpec spec = small();
    spec.wiring = wiring;
    expect_steps_of_one_rank(spec, kCuts);
  }
}

// With so many windows that runs of tokens are gathered one by one, each with its own dropout.
TEST(ModelShard, LongGathersDropTheSameUnits) {
  ModelSpec spec = small();
  spec.wiring = Wiring::causal;
  constexpr std::int64_t kMany = 800;
  const Batch batch = random_batch(spec, kMany, 11);
  ModelKit<double> one(spec, kMany, 5);
  one.model.train(batch, kTermWeights, 16000, kDropout);
  const std::vector<double> truth = test::whole_gradients(one.params);
  const double largest = std::abs(*std::max_element(
      truth.begin(), truth.end(), [](double a, double b) { return std::abs(a) < std::abs(b); }));
  run_local_ranks(2, [&](Channel& world) {
    ModelKit<double> kit(spec, Sharding(spec, kMany, {1, {}, 2}, world.rank()), &world, 5);
    kit.model.train(batch, kTermWeights, 16000, kDropout);
    std::vector<double> sum = test::whole_gradients(kit.params);
    world.sum(std::span<double>(sum));
    // As above; another mask would change a gradient by tenths of itself.
    for (size_t i = 0; i < sum.size(); ++i)
      ASSERT_NEAR(sum[i], truth[i], kChannelShare * largest) << i;
  });
}

TEST(ModelShard, APrefixIsThatOfOneRank) {
  ModelSpec spec = small();
  spec.identity = 4;
  expect_steps_of_one_rank(spec, kCuts);
}

// Each axis in turn, cut or not, made longer and shorter, but never shorter than its cut.
TEST(ModelShard, AResizedAxisIsThatOfOneRank) {
  for (const Weights weights : {Weights::shared, Weights::separate})
    for (const std::int64_t axis : {0, 1})
      for (const std::int64_t size : {3, 8}) {
        ModelSpec spec = small();
        spec.map = MapKind::dense;
        spec.wiring = Wiring::grid;
        spec.weights = weights;
        spec.combine = Combine::single;
        spec.single_axis = axis;
        spec.single_size = size;
        expect_steps_of_one_rank(spec, kCuts);
      }
}

TEST(ModelShard, RunGivesEveryRankTheLogitsOfOne) {
  const ModelSpec spec = small();
  const Batch batch = whole_batch(spec);
  ModelKit<double> one(spec, kWindows, 5);
  one.model.run(batch);
  const auto tokens = static_cast<std::int32_t>(batch.tokens);
  const auto logits_of = [&](Model<double>& model, std::int32_t window, std::int64_t windows) {
    std::vector<std::int32_t> rows;
    for (std::int32_t t = tokens; t-- > 0;)
      rows.push_back(t * static_cast<std::int32_t>(windows) + window);
    std::vector<double> logits(rows.size() * static_cast<size_t>(model.head().classes("text")));
    model.head().logits("text", rows, {}, logits.data());
    return logits;
  };
  std::vector<std::vector<double>> truth;
  for (std::int32_t w = 0; w < kWindows; ++w) truth.push_back(logits_of(one.model, w, kWindows));
  for (const Cuts& cuts : kCuts) {
    const int ranks = mesh_of(cuts).ranks();
    std::vector<std::vector<double>> of_rank(static_cast<size_t>(ranks));
    run_local_ranks(ranks, [&](Channel& world) {
      const Sharding sharding(spec, kWindows, cuts, world.rank());
      ModelKit<double> kit(spec, sharding, &world, 5);
      const Range windows = windows_of(sharding);
      EXPECT_EQ(kit.model.nodes().tokens, batch.tokens);
      EXPECT_EQ(kit.model.nodes().batch, windows.size());
      kit.model.run(part_of(batch, windows));
      auto& logits = of_rank[static_cast<size_t>(world.rank())];
      for (std::int64_t w = 0; w < windows.size(); ++w) {
        const auto more = logits_of(kit.model, static_cast<std::int32_t>(w), windows.size());
        logits.insert(logits.end(), more.begin(), more.end());
      }
    });
    const int together = ranks / cuts.batch;  // ranks of a replica: the batch is cut outermost
    for (int rank = 0; rank < ranks; ++rank) {
      const auto& logits = of_rank[static_cast<size_t>(rank)];
      std::vector<double> expected;
      const Range windows = split(kWindows, cuts.batch, rank / together);
      for (std::int64_t w = windows.lo; w < windows.hi; ++w)
        expected.insert(expected.end(), truth[static_cast<size_t>(w)].begin(),
                        truth[static_cast<size_t>(w)].end());
      if (cuts.channels == 1) {
        EXPECT_EQ(logits, expected) << cuts_text(cuts) << " rank " << rank;
        continue;
      }
      ASSERT_EQ(logits.size(), expected.size());
      for (size_t i = 0; i < logits.size(); ++i)  // of the order of 0.1
        ASSERT_NEAR(logits[i], expected[i], kChannelShare) << cuts_text(cuts) << " rank " << rank;
    }
  }
}

// A planner builds one rank's model of any mesh alone: nobody is asked.
TEST(ModelShard, IsMeasuredWithoutTheOtherRanks) {
  const ModelSpec spec = small();
  const Sharding sharding(spec, kWindows, {1, {2, 2}, 1}, 3);
  Params<float> params(param_specs(spec), param_layouts(spec, sharding), 3, true);
  const auto backend = make_cpu_backend<float>(1);
  Arena<float> arena(true);
  const Model<float> model(spec, sharding, params, *backend, arena);
  EXPECT_GT(arena.bytes(), 0);
  EXPECT_EQ(model.nodes().tokens, 30);
}

}  // namespace
}  // namespace ortho
