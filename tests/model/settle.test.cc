// Passes that are left out when the stream settles.
#include <gtest/gtest.h>

#include "comm/local.h"
#include "tests/support/model_kit.h"

namespace ortho {
namespace {

ModelSpec refed(std::int64_t refeeds) {
  ModelSpec spec;
  spec.tokens = {2, 3};
  spec.channels = 5;
  spec.hidden = 4;
  spec.text_symbols = 7;
  spec.refeeds = refeeds;
  return spec;
}

// The sublayers' share in the stream: small, so that a pass changes it little.
void soften(Params<double>& params) {
  for (Param<double>& param : params.all())
    if (param.spec.role == Role::out)
      for (std::int64_t i = 0; i < param.size; ++i) param.value[i] *= 0.05;
}

std::vector<double> logits_of(Model<double>& model, const Batch& batch) {
  model.run(batch);
  std::vector<std::int32_t> rows;
  for (std::int32_t row = 0; row < batch.tokens * batch.windows; ++row) rows.push_back(row);
  std::vector<double> logits(rows.size() * 7);
  model.head().logits("text", rows, {}, logits.data());
  return logits;
}

TEST(Settle, EndsLikeAModelOfFewerPasses) {
  const Batch batch = random_batch(refed(6), 2, 11);
  ModelKit<double> six(refed(6), 2, 5), two(refed(2), 2, 5);
  soften(six.params);
  std::copy_n(six.params.values().data(), six.params.size(), two.params.values().data());
  const std::vector<double> all = logits_of(six.model, batch), fewer = logits_of(two.model, batch);
  EXPECT_EQ(six.model.passes(), 6);
  six.model.settle_at(0.99);  // one pass changes less than that
  EXPECT_EQ(logits_of(six.model, batch), fewer);
  EXPECT_EQ(six.model.passes(), 2);
  six.model.settle_at(1e-12);  // no pass changes as little
  EXPECT_EQ(logits_of(six.model, batch), all);
  EXPECT_EQ(six.model.passes(), 6);
}

TEST(Settle, RanksAgree) {
  const Batch batch = random_batch(refed(6), 2, 11);
  ModelKit<double> one(refed(6), 2, 5);
  soften(one.params);
  one.model.settle_at(0.99);
  const std::vector<double> expected = logits_of(one.model, batch);
  run_local_ranks(2, [&](Channel& world) {
    const Sharding sharding(refed(6), 2, Cuts{1, {2, 1}, 1}, world.rank());
    ModelKit<double> kit(refed(6), sharding, &world, 5);
    soften(kit.params);
    kit.model.settle_at(0.99);
    const std::vector<double> logits = logits_of(kit.model, batch);
    EXPECT_EQ(kit.model.passes(), 2);
    for (size_t i = 0; i < logits.size(); ++i)
      EXPECT_NEAR(logits[i], expected[i], 1e-12) << i;  // the same products, other sums, in double
  });
}

}  // namespace
}  // namespace ortho
