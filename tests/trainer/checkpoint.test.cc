// Checkpoints: damage falls back and says so, retention, lineage.
#include "trainer/checkpoint.h"

#include <filesystem>

#include "tests/support/agreement.h"
#include "tests/support/errors.h"
#include "tests/support/run_kit.h"
#include "trainer/stage_data.h"

namespace ortho {
namespace {

class Checkpoint : public testing::Test {
 protected:
  void SetUp() override {
    config_.stages.resize(2);
    ASSERT_TRUE(run(config_));  // saves at 4, 6, 8 and 12
    folder_ = checkpoints_of(config_);
    ASSERT_EQ(steps(), (std::vector<std::int64_t>{12, 8, 6, 4}));
  }
  std::vector<std::int64_t> steps() const {
    std::vector<std::int64_t> all;
    for (const std::string& path : list_checkpoints(folder_))
      all.push_back(std::stoll(path.substr(path.rfind('-') + 1)));
    return all;
  }
  std::string newest() const { return list_checkpoints(folder_).front(); }
  std::string boxes() const { return newest() + "/rank-0.h5"; }

  // Loads with what is said on standard error in `said_`.
  std::int64_t loaded_step() {
    testing::internal::CaptureStderr();
    std::unique_ptr<RunState> state;
    try {
      state = newest_state(config_);
    } catch (...) {
      said_ = testing::internal::GetCapturedStderr();
      throw;
    }
    said_ = testing::internal::GetCapturedStderr();
    return state ? state->step : 0;
  }
  void flip(std::uintmax_t at) {
    std::string bytes = read_file(boxes());
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    write_file_durably(boxes(), bytes);
  }

  // Falls back to step 8, names what it passed over, and goes on to the end as if nothing were.
  void expect_fallback(const std::string& what) {
    RunConfig whole_run = config_;
    whole_run.out = kit_ / "whole";
    ASSERT_TRUE(run(whole_run));
    const std::string path = folder_ + "/step-0000000012";
    EXPECT_EQ(loaded_step(), 8);
    EXPECT_NE(said_.find("checkpoint " + path), std::string::npos) << said_;
    EXPECT_NE(said_.find(what), std::string::npos) << said_;
    EXPECT_NE(said_.find("goes on from " + folder_ + "/step-0000000008"), std::string::npos);
    ASSERT_TRUE(run(config_));
    EXPECT_EQ(loaded_step(), 12);
    expect_same_run(config_, whole_run);
  }

  RunKit kit_;
  RunConfig config_ = kit_.config("run");
  std::string folder_, said_;
};

TEST_F(Checkpoint, FlippedByteFallsBack) {
  flip(std::filesystem::file_size(boxes()) / 2);
  expect_fallback("cannot be used");
}

TEST_F(Checkpoint, TruncatedFallsBack) {
  std::filesystem::resize_file(boxes(), std::filesystem::file_size(boxes()) - 100);
  expect_fallback("truncated");
}

TEST_F(Checkpoint, WithoutManifestFallsBack) {
  std::filesystem::remove(newest() + "/MANIFEST");
  expect_fallback("has no MANIFEST: it was not finished");
}

TEST_F(Checkpoint, WithoutBoxesFallsBack) {
  std::filesystem::remove(boxes());
  expect_fallback("has a MANIFEST, but no rank-0.h5");
}

// A byte anywhere is noticed, or belongs to nothing that is read: the state is then the same.
TEST_F(Checkpoint, AFlippedByteNeverGivesAnotherState) {
  const auto good = newest_state(config_);
  const std::string bytes = read_file(boxes());
  int refused = 0, flips = 0;
  for (size_t at = 0; at < bytes.size(); at += bytes.size() / 60 + 1, ++flips) {
    flip(at);
    testing::internal::CaptureStderr();
    const auto state = newest_state(config_);
    const std::string said = testing::internal::GetCapturedStderr();
    ASSERT_TRUE(state);
    if (state->step == 12) {
      expect_same_state(*good, *state);
    } else {
      EXPECT_EQ(state->step, 8);
      EXPECT_NE(said.find("step-0000000012 cannot be used"), std::string::npos) << said;
      ++refused;
    }
    write_file_durably(boxes(), bytes);
  }
  EXPECT_GT(refused, flips / 4);  // arrays and their checksums fill more than a quarter of the file
}

TEST_F(Checkpoint, AllDamagedIsRefusedNotBegunAnew) {
  for (const std::string& path : list_checkpoints(folder_))
    std::filesystem::resize_file(path + "/rank-0.h5", 100);
  const std::string message = message_of([&] { run(config_); }, ErrorKind::data);
  EXPECT_NE(message.find("none of the 4 checkpoints"), std::string::npos) << message;
  EXPECT_EQ(steps().size(), 4u);
}

// A damaged newest one does not count: what was passed over goes, the good ones stay.
TEST_F(Checkpoint, RetentionCountsWhatCanBeLoaded) {
  flip(std::filesystem::file_size(boxes()) / 2);
  ASSERT_EQ(loaded_step(), 8);
  const auto state = newest_state(config_);
  const auto channel = make_single_channel();
  state->step = 9;
  save_checkpoint(*channel, folder_, *state, config_, 1);
  EXPECT_EQ(steps(), (std::vector<std::int64_t>{9}));
  EXPECT_EQ(loaded_step(), 9);
}

TEST_F(Checkpoint, RetentionKeepsTheNewest) {
  const auto state = newest_state(config_);
  const auto channel = make_single_channel();
  make_folder(folder_ + "/step-0000000005");  // a save that was cut short
  for (std::int64_t step = 13; step < 16; ++step) {
    state->step = step;
    save_checkpoint(*channel, folder_, *state, config_, 3);
  }
  EXPECT_EQ(steps(), (std::vector<std::int64_t>{15, 14, 13}));
  EXPECT_TRUE(list_unfinished(folder_).empty());
  save_checkpoint(*channel, folder_, *state, config_, 3);  // the same step again
  EXPECT_EQ(steps(), (std::vector<std::int64_t>{15, 14, 13}));
}

TEST_F(Checkpoint, SaysWhatItIs) {
  const CheckpointInfo info = read_checkpoint_info(newest());
  EXPECT_EQ(info.step, 12);
  EXPECT_EQ(info.stage, 1);
  EXPECT_EQ(info.parent, "step-0000000008");
  EXPECT_EQ(info.config, config_text(config_));
  EXPECT_EQ(info.growths.size(), 1u);
  EXPECT_EQ(read_checkpoint_info(folder_ + "/step-0000000004").parent, "");
}

// The second stage grows a table of words; a run that goes on knows the same ones.
TEST(CheckpointOfWords, KeepsThemThroughGrowthAndResume) {
  const RunKit kit;
  RunConfig config = kit.config("run"), whole_run = kit.config("whole");
  for (RunConfig* each : {&config, &whole_run}) {
    each->stages.resize(2);
    each->stages[1].model.words = 5;
  }
  ASSERT_TRUE(run(whole_run));
  ASSERT_TRUE(run(config));
  const auto words = load_vocabulary(list_checkpoints(checkpoints_of(config)).front()).words;
  EXPECT_EQ(words.words(), run_vocabulary(config).words.words());
  EXPECT_EQ(words.size(), 5);
  std::filesystem::remove_all(list_checkpoints(checkpoints_of(config)).front());
  ASSERT_TRUE(run(config));
  expect_same_run(config, whole_run);
}

}  // namespace
}  // namespace ortho
