// What a stage means to the loader, and which stages go on in one epoch.
#include "trainer/stage_data.h"

#include <filesystem>
#include <set>

#include "dataio/crc32c.h"
#include "tests/support/agreement.h"
#include "tests/support/errors.h"
#include "tests/support/run_kit.h"

namespace ortho {
namespace {

class StageData : public testing::Test {
 protected:
  Stage stage(size_t index) const {
    return plan_run(config_, run_vocabulary(config_).size()).stages[index];
  }
  RunKit kit_;
  RunConfig config_ = kit_.config("run");
};

TEST_F(StageData, VocabularyIsThatOfAllStages) {
  std::set<char> symbols;
  for (int i = 0; i < 6; ++i)
    for (const char symbol : sentence(i) + ".a ramp") symbols.insert(symbol);
  EXPECT_EQ(run_vocabulary(config_).code_points(),
            std::vector<std::uint32_t>(symbols.begin(), symbols.end()));
  config_.stages[1].data.train.clear();
  EXPECT_NE(message_of([&] { run_vocabulary(config_); }, ErrorKind::usage)
                .find("stage axes: data.train names no data set"),
            std::string::npos);
}

TEST_F(StageData, ContentChangesWithTheManifestAndNothingElse) {
  const std::string before = data_content(config_);
  const auto manifest = read_file(kit_.texts() + "/MANIFEST");
  expect_in(kit_.texts() + ' ' + crc32c_text(crc32c(manifest.data(), manifest.size())), before);
  RunConfig other = config_;
  other.stages.push_back(other.stages.front());  // the same data once more
  other.seed = 99;
  EXPECT_EQ(data_content(other), before);
  pack_texts(kit_ / "more", 39);
  other.stages.back().data.train = {kit_ / "more"};
  EXPECT_NE(data_content(other), before);
  const std::string shard = kit_.texts() + "/shard-0000.h5";
  other.stages = {config_.stages.front()};
  other.stages[0].data.train = {shard};
  EXPECT_EQ(data_content(other), text(shard, ' ', std::filesystem::file_size(shard), " bytes"));
}

TEST_F(StageData, OptionsFollowTheStage) {
  const LoaderOptions options = loader_options(stage(2), Objective::next_token, 9, 1, 2);
  EXPECT_EQ(options.window.tokens, 8);
  EXPECT_EQ(options.window.objective, Objective::next_token);
  EXPECT_EQ(options.window.padding, Padding::random);
  EXPECT_TRUE(options.window.score_end);
  EXPECT_EQ(options.windows, 4);
  EXPECT_EQ(options.replica, 1);
  EXPECT_EQ(options.order.seed, 9u);
  config_.stages[2].objective = {0, 1};
  config_.stages[2].one_shot.output = OneShotConfig::Output::audio;
  const WindowRule rule = loader_options(stage(2), Objective::one_shot, 9, 0, 1).window;
  EXPECT_EQ(rule.objective, Objective::one_shot);
  EXPECT_EQ(rule.output, Modality::audio);
}

TEST_F(StageData, AStreamGoesOnOnlyWithTheSameWindows) {
  const Stage a = stage(2);
  Stage b = a;
  b.config.model.blocks = 5;  // growth that leaves the data as they are
  EXPECT_TRUE(same_stream(a, b, Objective::next_token));
  EXPECT_FALSE(same_stream(a, b, Objective::diffusion));          // trained on neither
  EXPECT_FALSE(same_stream(a, stage(1), Objective::next_token));  // other windows
  EXPECT_FALSE(same_stream(a, stage(3), Objective::next_token));  // other data
  b.config.objective = {0.5, 0, 0.5};
  EXPECT_TRUE(same_stream(a, b, Objective::next_token));
  EXPECT_FALSE(same_stream(a, b, Objective::diffusion));  // only b is
  b.windows = 8;
  EXPECT_FALSE(same_stream(a, b, Objective::next_token));
}

}  // namespace
}  // namespace ortho
