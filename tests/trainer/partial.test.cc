#include "trainer/partial.h"

#include <set>

#include "tests/support/errors.h"
#include "tests/support/grow_rows.h"
#include "tests/support/run_kit.h"

namespace ortho {
namespace {

using Choose = TrainConfig::Choose;
using Names = std::vector<std::string>;

TEST(Partial, PartsAreNamedFromTheLowest) {
  ModelSpec spec = joint({2, 3});
  spec.blocks = 2;
  EXPECT_EQ(training_parts(spec), (Names{"embed", "block.0.axis.0", "block.0.axis.1",
                                         "block.1.axis.0", "block.1.axis.1"}));
  EXPECT_EQ(trained_parts({0.4, Choose::newest, {}}, spec, 1, 0),
            (Names{"block.1.axis.0", "block.1.axis.1"}));
  EXPECT_EQ(trained_parts({}, spec, 1, 0), training_parts(spec));
  spec.map = MapKind::dense;
  EXPECT_EQ(training_parts(spec), (Names{"embed", "block.0", "block.1"}));
  spec.branches = 2;
  EXPECT_EQ(training_parts(spec),
            (Names{"embed", "block.0", "block.0.branch.1", "block.1", "block.1.branch.1"}));
  ModelSpec sets = joint({2, 2, 3});
  sets.sets = {1, 2, 1};
  sets.maps = {MapKind::joint, MapKind::attention, MapKind::joint};
  EXPECT_EQ(training_parts(sets), (Names{"embed", "block.0.axis.0+2", "block.0.axis.1"}));
  EXPECT_NE(message_of(
                [&] {
                  trained_parts({1, Choose::listed, {"block.7"}}, spec, 1, 0);
                },
                ErrorKind::usage)
                .find("block.7 is no part of the model"),
            std::string::npos);
}

TEST(Partial, ChanceChoosesEachPartEquallyOften) {
  ModelSpec spec = joint({2, 3});
  spec.blocks = 2;
  std::map<std::string, int> often;
  const TrainConfig train{0.4, Choose::random, {}};
  for (std::int64_t step = 0; step < 1000; ++step) {
    const Names names = trained_parts(train, spec, 3, step);
    EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), 2U);
    EXPECT_EQ(names, trained_parts(train, spec, 3, step));
    for (const std::string& name : names) ++often[name];
  }
  // 400 each; the standard deviation is sqrt(1000 * 0.4 * 0.6) = 15.
  for (const auto& [name, count] : often) EXPECT_NEAR(count, 400, 75) << name;
}

// Gradients of what is trained are the same to the bit as when all is, the others are zero.
TEST(Partial, LeavesOutGradientsAndNothingElse) {
  for (const MapKind map : {MapKind::joint, MapKind::dense, MapKind::attention})
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
      const ModelSpec spec = random_spec(map, seed);
      ModelKit<float> all(spec, 2, 5), some(spec, 2, 5);
      const Batch batch = random_batch(spec, 2, seed);
      const Names parts =
          trained_parts({0.5, seed % 2 ? Choose::newest : Choose::random, {}}, spec, seed, 0);
      set_trained(parts, some.params);
      all.model.train(batch, {}, 10, {});
      some.model.train(batch, {}, 10, {});
      for (size_t p = 0; p < all.params.all().size(); ++p) {
        const Param<float>&a = all.params.all()[p], &b = some.params.all()[p];
        for (std::int64_t i = 0; i < a.size; ++i)
          ASSERT_EQ(b.grad[i], b.trained ? a.grad[i] : 0.0F) << a.spec.name << ", seed " << seed;
      }
    }
}

TEST(Partial, CostsLess) {
  ModelSpec spec = joint({2, 3});
  spec.blocks = 2;
  EXPECT_EQ(training_share({}, spec), 1);
  EXPECT_DOUBLE_EQ(training_share({0.4, Choose::newest, {}}, spec), (1 + 0.4 + 0.4) / 3);
  EXPECT_DOUBLE_EQ(training_share({0.4, Choose::random, {}}, spec), (1 + 1 + 0.4) / 3);
}

TEST(Partial, ARunKeepsWhatItDoesNotTrain) {
  RunKit kit;
  RunConfig config = kit.config("run");
  config.stages.resize(2);
  config.stages[1].train = {1.0, Choose::listed, {"block.0.axis.1"}};
  ASSERT_TRUE(run(config));
  const auto last = newest_state(config);
  RunConfig before = config;  // the same run as its first stage ended
  before.out = kit / "before";
  copy_run(config, before, 6);
  const auto first = newest_state(before);
  ASSERT_TRUE(first && last);
  int kept = 0;
  for (size_t i = 0; i < last->params.all().size(); ++i) {
    const Param<float>& now = last->params.all()[i];
    const std::string& name = now.spec.name;
    if (name.starts_with("head.") || name == "final.gain") {
      EXPECT_EQ(last->optimizer.regions[i].front().steps, 12) << name;
    } else if (name.starts_with("block.0.axis.1")) {
      EXPECT_EQ(last->optimizer.regions[i].front().steps, 6) << name;
    } else if (name.starts_with("embed.")) {  // an axis added left it as it was
      const Param<float>& was = first->params.at(name);
      EXPECT_EQ(std::memcmp(was.value, now.value, static_cast<size_t>(now.size) * 4), 0) << name;
      EXPECT_EQ(last->optimizer.regions[i].front().steps, 6) << name;
      ++kept;
    }
  }
  EXPECT_GT(kept, 0);
}

}  // namespace
}  // namespace ortho
