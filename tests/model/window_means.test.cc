// The loss in which each window counts once, as the diffusion objective needs it.
#include <gtest/gtest.h>

#include <cmath>

#include "comm/local.h"
#include "tests/support/gradcheck.h"
#include "tests/support/model_kit.h"

namespace ortho {
namespace {

constexpr std::int64_t kWindows = 3;
const TermWeights kWeights = {{0.7, 1.0, 0.4, 1.3}};

ModelSpec small() {
  ModelSpec spec;
  spec.tokens = {3, 2};
  spec.channels = 6;
  spec.hidden = 4;
  spec.wiring = Wiring::mirrored;
  spec.text_symbols = 7;
  spec.modalities = {Modality::text, Modality::pixel, Modality::audio};
  spec.places = {4, 3, 2, 2, 5};
  spec.modality_head = spec.modality_table = true;
  return spec;
}

Batch weighted_batch() {
  Batch batch = random_batch(small(), kWindows, 11);
  batch.window_means = true;
  // Marks that say what they hide, beside those that do not.
  std::int32_t mark = 0;
  for (Token& token : batch.input)
    if (token.modality == static_cast<std::int32_t>(Modality::query)) token.symbol[1] = mark++ % 4;
  for (size_t row = 1; row < batch.target.size(); row += kWindows) batch.target[row] = {};
  return batch;  // of its second window nothing is asked
}

TEST(WindowMeans, AreTheMeansOfWindowsScoredAlone) {
  const Batch batch = weighted_batch();
  ModelKit<double> kit(small(), kWindows, 5), alone(small(), 1, 5);
  const TermSums sums = kit.model.score(batch);
  double loss = 0;
  std::int64_t targets = 0;
  for (const std::int64_t window : {0, 2}) {
    Batch one = part_of(batch, {window, window + 1});
    one.window_means = false;
    const TermSums by_itself = alone.model.score(one);
    EXPECT_GT(by_itself.scored, 1);
    loss += by_itself.loss(kWeights) / 2;
    targets += by_itself.targets[static_cast<size_t>(Term::modality)];
  }
  EXPECT_NEAR(sums.loss(kWeights), loss, 1e-14 * loss);  // double, some ten terms
  EXPECT_EQ(sums.scored, 2);
  EXPECT_EQ(sums.targets[static_cast<size_t>(Term::modality)], targets);
  // All weights of a window make 1.
  EXPECT_NEAR(sums.asked[static_cast<size_t>(Term::modality)], 2, 1e-15);
  EXPECT_EQ(sums.mean(Term::modality), sums.nats[0] / sums.asked[0]);
}

TEST(WindowMeans, HaveGradients) {
  const Batch batch = weighted_batch();
  ModelKit<double> kit(small(), kWindows, 5);
  const auto loss = [&] {
    return kit.model.train(batch, kWeights, static_cast<double>(loss_divisor(batch)), {})
        .loss(kWeights);
  };
  loss();
  const std::vector<double> gradient(kit.params.grads().begin(), kit.params.grads().end());
  for (Param<double>& param : kit.params.all())
    for (std::int64_t i = 0; i < param.size; i += 1 + param.size / 7) {
      const double numeric = central_difference(param.value[i], loss);
      const double ours = gradient[static_cast<size_t>(param.offset + i)];
      // As for the other losses (model.test.cc): second differences of some 1e-10 over 1e-5.
      EXPECT_LT(std::abs(numeric - ours) / (std::abs(numeric) + std::abs(ours) + 1e-4), 2e-5)
          << param.spec.name << '[' << i << ']';
    }
}

// 1e-11: as for every other loss (model_shard.test.cc).
TEST(WindowMeans, AreThoseOfOneRankOnEveryMesh) {
  const Batch batch = weighted_batch();
  const auto divisor = static_cast<double>(loss_divisor(batch));
  ModelKit<double> one(small(), kWindows, 5);
  const TermSums sums = one.model.train(batch, kWeights, divisor, {});
  for (const Cuts& cuts :
       {Cuts{3, {}, 1}, Cuts{1, {3}, 1}, Cuts{1, {1, 2}, 1}, Cuts{1, {2, 2}, 2}, Cuts{3, {}, 2}})
    run_local_ranks(mesh_of(cuts).ranks(), [&](Channel& world) {
      const Sharding sharding(small(), kWindows, cuts, world.rank());
      ModelKit<double> kit(small(), sharding, &world, 5);
      const Batch mine = part_of(batch, windows_of(sharding));
      std::array<std::int64_t, 1> windows = {sharding.leads_replica() ? loss_divisor(mine) : 0};
      world.sum(std::span<std::int64_t>(windows));
      EXPECT_EQ(windows[0], 2);
      const TermSums part = kit.model.train(mine, kWeights, divisor, {});
      // A rank without a window's first target counts none, and yet has terms of it.
      std::array<double, 2> loss = {0, static_cast<double>(part.scored)};
      for (size_t i = 0; i < kTerms; ++i) loss[0] += kWeights.weight[i] * part.nats[i];
      world.sum(std::span<double>(loss));
      EXPECT_EQ(loss[1], 2) << cuts_text(cuts);
      EXPECT_NEAR(loss[0] / loss[1], sums.loss(kWeights), 1e-11) << cuts_text(cuts);
      std::vector<double> gradient = test::whole_gradients(kit.params);
      world.sum(std::span<double>(gradient));
      size_t next = 0;
      for (const Param<double>& truth : one.params.all())
        for (std::int64_t i = 0; i < truth.size; ++i)
          ASSERT_NEAR(gradient[next++], truth.grad[i], 1e-11) << truth.spec.name;
    });
}

}  // namespace
}  // namespace ortho
