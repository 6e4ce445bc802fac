// Saving behind the training: the same bits as saving in front of it, what stays, what may fail.
#include "trainer/checkpoint_writer.h"

#include "tests/support/errors.h"
#include "tests/support/run_kit.h"
#include "trainer/checkpoint_folder.h"

namespace ortho {
namespace {

TEST(CheckpointWriter, BehindAndInFrontGiveTheSameRun) {
  const RunKit kit;
  const RunConfig behind = kit.config("behind", "checkpoint: {every: 1, keep: 4}");
  RunConfig front = kit.config("front", "checkpoint: {every: 1, keep: 4, behind: false}");
  EXPECT_TRUE(run(behind));
  EXPECT_TRUE(run(front));
  expect_same_run(behind, front);
  EXPECT_EQ(list_checkpoints(checkpoints_of(behind)).size(), 4u);
}

// A copy of the state at its step, however far training is when it is written.
TEST(CheckpointWriter, WritesTheStateAsItWas) {
  const RunKit kit;
  RunConfig config = kit.config("run");
  config.stages.resize(1);
  EXPECT_TRUE(run(config));
  const auto before = newest_state(config);
  auto state = newest_state(config);
  const auto channel = make_single_channel();
  state->step = before->step = 7;
  state->saved.clear();
  CheckpointWriter writer(*channel, checkpoints_of(config), config.checkpoint);
  writer.begin(*state, config, 1.25);
  EXPECT_TRUE(writer.pending());
  for (float& value : state->params.values()) value = -1;
  state->step = 8;
  writer.finish();
  EXPECT_FALSE(writer.pending());
  const auto after = newest_state(config);
  expect_same_state(*before, *after);
  const auto path = list_checkpoints(checkpoints_of(config)).front();
  EXPECT_EQ(read_checkpoint_manifest(path).held_out, 1.25);
  EXPECT_TRUE(state->saved.empty()) << "the state went on";
}

// The folder cannot be made, since a file is in the way: training goes on, but not for ever.
TEST(CheckpointWriter, SomeSavesMayFail) {
  const RunKit kit;
  const RunConfig config = kit.config("run");
  write_file_durably(kit / "file", "in the way");
  CheckpointConfig rule;
  rule.may_fail = 2;
  const auto channel = make_single_channel();
  RunState state(plan_run(config, 16).stages.front().config.model);
  state.optimizer = fresh_state(config.optimizer, state.params);
  CheckpointWriter writer(*channel, kit / "file" + "/checkpoints", rule);
  for (int number = 1; number <= 2; ++number) {
    testing::internal::CaptureStderr();
    writer.begin(state, config);
    const std::string said = testing::internal::GetCapturedStderr();
    expect_in("the checkpoint of step 0 could not be saved: ", said);
    expect_in(text("this is number ", number), said);
    EXPECT_FALSE(writer.pending());
  }
  expect_in("cannot create folder",
            message_of([&] { writer.begin(state, config); }, ErrorKind::disk));
  expect_in("cannot create folder",
            message_of([&] { writer.save(state, config); }, ErrorKind::disk));
}

TEST(CheckpointWriter, SaysWhenTheDiskIsTooSmall) {
  EXPECT_NO_THROW(require_room("/", 1));
  const std::string message =
      message_of([] { require_room("/", std::int64_t{1} << 62); }, ErrorKind::disk);
  expect_in("the checkpoint needs 4.61", message);
  expect_in("Nothing that was saved is lost", message);
}

TEST(WhichStay, NewestRegularAndBest) {
  // Newest first: step, stage, held-out loss.
  const std::vector<KnownCheckpoint> all = {{70, 1, {}},  {60, 1, 2.0}, {50, 1, 1.5}, {40, 1, 1.8},
                                            {30, 0, 3.0}, {20, 0, 2.9}, {10, 0, 4.0}, {-1, -1, {}}};
  const auto steps = [&](const CheckpointConfig& rule) {
    std::vector<std::int64_t> kept;
    const std::vector<bool> stay = which_stay(all, rule);
    for (size_t i = 0; i < all.size(); ++i)
      if (stay[i]) kept.push_back(all[i].step);
    return kept;
  };
  CheckpointConfig rule;
  rule.keep = 2;
  EXPECT_EQ(steps(rule), (std::vector<std::int64_t>{70, 60}));
  rule.keep_every = 30;
  EXPECT_EQ(steps(rule), (std::vector<std::int64_t>{70, 60, 30}));
  rule.keep_best = true;
  EXPECT_EQ(steps(rule), (std::vector<std::int64_t>{70, 60, 50, 30, 20}));
}

}  // namespace
}  // namespace ortho
