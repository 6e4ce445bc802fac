// Whole runs in this process: growth, stopping, going on, and what is refused.
#include "trainer/loop.h"

#include <filesystem>
#include <numeric>

#include "tests/support/agreement.h"
#include "tests/support/errors.h"
#include "tests/support/run_kit.h"
#include "trainer/checkpoint.h"
#include "trainer/stop_flag.h"

namespace ortho {
namespace {

class Loop : public testing::Test {
 protected:
  void TearDown() override { request_stop(false); }
  RunKit kit_;
};

TEST_F(Loop, FourStagesGoThrough) {
  const RunConfig config = kit_.config("run");
  ASSERT_TRUE(run(config));
  const auto state = newest_state(config);
  ASSERT_TRUE(state);
  EXPECT_EQ(state->step, kRunSteps);
  EXPECT_EQ(state->ended, (std::vector<std::int64_t>{6, 6, 6, 6}));
  EXPECT_EQ(state->tokens, 6 * 4 * (1 + 4 + 8 + 8));
  ASSERT_EQ(state->growths.size(), 3u);
  const char* starts[] = {"step 6: ", "step 12: ", "step 18: "};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(state->growths[i].rfind(starts[i], 0), 0u) << state->growths[i];
    expect_in(", kept", state->growths[i]);
  }
  EXPECT_EQ(read_checkpoint_info(list_checkpoints(checkpoints_of(config)).front()).growths,
            state->growths);
  // Evaluations every 4 steps and at each stage's end, growths behind the stage's last line.
  std::vector<std::string> events;
  for (const std::string& line : metric_lines(config))
    if (line.rfind("step", 0) != 0)
      events.push_back(line.substr(0, line.find(' ', line.find(' ') + 1)));
  EXPECT_EQ(events,
            (std::vector<std::string>{"evaluate 4", "evaluate 6", "growth 6", "evaluate 8",
                                      "evaluate 12", "growth 12", "evaluate 16", "evaluate 18",
                                      "growth 18", "evaluate 20", "evaluate 24"}));
  EXPECT_TRUE(run(config)) << "a complete run has nothing left to do";
}

TEST_F(Loop, AStageMayTakeAway) {
  RunConfig config = kit_.config("run");
  StageConfig smaller = config.stages.back();
  smaller.name = "smaller";
  smaller.model.tokens = {2};
  smaller.model.blocks = 1;
  smaller.model.hidden = 4;
  smaller.model.channels = 8;
  smaller.model.modalities = {Modality::text};
  config.stages.push_back(smaller);
  ASSERT_TRUE(run(config));
  const auto state = newest_state(config);
  ASSERT_TRUE(state);
  EXPECT_EQ(state->spec.hidden, 4);
  ASSERT_EQ(state->growths.size(), 4u);
  for (const char* what :
       {"token axis 1 (size 4) removed", "blocks 2 -> 1", "hidden 8 -> 4", "channels 16 -> 8",
        "modality pixel removed", "no promise", "held-out loss ", " before, ", " after"})
    expect_in(what, state->growths[3]);
  // Kept weights go on with their step counts, those of the first stage with all steps.
  for (size_t i = 0; i < state->params.all().size(); ++i) {
    if (state->params.all()[i].spec.name != "final.gain") continue;
    EXPECT_EQ(state->optimizer.regions[i].front().steps, kRunSteps + 6);
  }
}

TEST_F(Loop, TheLossFalls) {
  RunConfig config = kit_.config("run");
  config.stages.resize(2);
  for (StageConfig& stage : config.stages) stage.until.steps = 60;
  ASSERT_TRUE(run(config));
  const std::vector<double> losses = step_losses(config);
  ASSERT_EQ(losses.size(), 120u);
  const auto mean = [&](std::ptrdiff_t first) {
    return std::accumulate(losses.begin() + first, losses.begin() + first + 10, 0.0) / 10;
  };
  // It begins near ln(16) + ln(4) = 4.2 nats: a letter of 16 and a modality of 4,
  // both guessed. One letter says little about the next, three say nearly all.
  // The margins are wide: 10 steps of 4 to 16 letters make a noisy mean.
  EXPECT_LT(mean(50), mean(0) - 0.5);
  EXPECT_LT(mean(110), mean(50) - 0.3);
}

TEST_F(Loop, StoppedAfterEveryStepIsTheSame) {
  const RunConfig straight = kit_.config("straight"), stopped = kit_.config("stopped");
  ASSERT_TRUE(run(straight));
  request_stop(true);  // each start makes one step and leaves
  for (std::int64_t start = 1; start < kRunSteps; ++start) ASSERT_FALSE(run(stopped)) << start;
  EXPECT_TRUE(run(stopped)) << "asked to stop, but nothing is left to do";
  expect_same_run(straight, stopped);
}

TEST_F(Loop, GoesOnFromEveryCheckpointToTheSameBits) {
  const RunConfig straight = kit_.config("straight");
  ASSERT_TRUE(run(straight));
  for (const std::int64_t step : {4, 6, 8, 12, 16, 18, 20}) {  // ends of stages, and inside them
    const RunConfig again = kit_.config(text("again-", step));
    copy_run(straight, again, step);
    ASSERT_EQ(newest_state(again)->step, step);
    ASSERT_TRUE(run(again));
    expect_same_run(straight, again);
  }
}

TEST_F(Loop, APlateauThatWasReachedAtTheStopEndsTheStage) {
  RunConfig straight = kit_.config("straight");
  straight.stages.resize(2);
  straight.stages[0].until = {40, 0, {3, 1e6}};  // no loss falls that much: ends at step 6
  RunConfig stopped = straight;
  stopped.out = kit_ / "stopped";
  ASSERT_TRUE(run(straight));
  EXPECT_EQ(newest_state(straight)->ended, (std::vector<std::int64_t>{6, 6}));
  request_stop(true);
  for (int start = 1; start < 12; ++start) ASSERT_FALSE(run(stopped)) << start;
  ASSERT_TRUE(run(stopped));
  expect_same_run(straight, stopped);
}

TEST_F(Loop, ALongerListOfStagesGoesOn) {
  RunConfig config = kit_.config("run");
  const RunConfig all = config;
  config.stages.resize(2);
  ASSERT_TRUE(run(config));
  EXPECT_EQ(newest_state(config)->step, 12);
  ASSERT_TRUE(run(all));
  EXPECT_EQ(newest_state(all)->step, kRunSteps);
  // Fewer stages than were begun.
  expect_in("is of stage 4, the config has 2 stages",
            message_of([&] { run(config); }, ErrorKind::usage));
}

TEST_F(Loop, AStageMadeShorterThanItRanEndsWhereItIs) {
  RunConfig config = kit_.config("run");
  config.stages.resize(1);
  request_stop(true);
  for (int start = 0; start < 5; ++start) ASSERT_FALSE(run(config));
  config.stages[0].until.steps = 3;
  ASSERT_TRUE(run(config));
  EXPECT_EQ(newest_state(config)->ended, (std::vector<std::int64_t>{5}));
}

TEST_F(Loop, OtherDataInTheMiddleOfAnEpochAreRefused) {
  RunConfig config = kit_.config("run");
  request_stop(true);
  ASSERT_FALSE(run(config));
  const auto refusal = [](const RunConfig& changed) {
    return message_of([&] { run(changed); }, ErrorKind::usage);
  };
  RunConfig seed = config;
  seed.seed = 4;
  expect_in("seed 3,", refusal(seed));
  expect_in("seed 4,", refusal(seed));
  RunConfig windows = config;
  windows.stages[0].batch.windows = 8;
  expect_in("4 windows a step", refusal(windows));
  expect_in("8 windows a step", refusal(windows));
  RunConfig streams = config;
  streams.stages[0].data.streams = 8;
  expect_in("streams 8", refusal(streams));
  std::filesystem::remove_all(kit_.texts());
  pack_texts(kit_.texts(), 60);
  expect_in("the data changed in the middle of an epoch", refusal(config));
}

TEST_F(Loop, AnotherModelInsideAStageIsRefused) {
  RunConfig config = kit_.config("run");
  request_stop(true);
  ASSERT_FALSE(run(config));
  config.stages[0].model.blocks = 2;
  expect_in("blocks: 1 became blocks: 2", message_of([&] { run(config); }, ErrorKind::usage));
  expect_in("a stage of its own", message_of([&] { run(config); }, ErrorKind::usage));
  // Weights of the same shapes that would mean another function.
  config.stages[0].model.blocks = 1;
  config.stages[0].model.activation = Activation::relu;
  expect_in("became activation: relu", message_of([&] { run(config); }, ErrorKind::usage));
  EXPECT_EQ(list_checkpoints(checkpoints_of(config)).size(), 1u);  // nothing began anew
}

TEST_F(Loop, AnImpossibleGrowthIsRefusedBeforeTheFirstStep) {
  RunConfig config = kit_.config("run");
  config.stages.back().model.gate = !config.model.gate;
  expect_in(config.stages.back().name, message_of([&] { run(config); }, ErrorKind::usage));
  EXPECT_TRUE(list_checkpoints(checkpoints_of(config)).empty());
}

TEST_F(Loop, NewSymbolsGrowTheTextTables) {
  RunConfig config = kit_.config("run");
  config.stages.resize(1);
  ASSERT_TRUE(run(config));
  const auto before = newest_state(config);
  pack_texts(kit_ / "more", 20, "!?");
  RunConfig more = kit_.config("run");
  more.stages.resize(2);
  more.stages[1].data.train = {kit_ / "more"};
  ASSERT_TRUE(run(more));
  const auto after = newest_state(more);
  EXPECT_EQ(after->spec.text_symbols, before->spec.text_symbols + 2);
  const auto& old_symbols = before->vocabulary.code_points();
  const auto& new_symbols = after->vocabulary.code_points();
  EXPECT_TRUE(std::equal(old_symbols.begin(), old_symbols.end(), new_symbols.begin()));
  EXPECT_EQ(after->growths.size(), 2u);  // the tables, then the token axes
  expect_in("text symbols 16 -> 18", after->growths[0]);
}

TEST_F(Loop, DropoutAloneGrowsNothing) {
  RunConfig config = kit_.config("run");
  config.stages.resize(2);
  const ModelSpec model = config.stages[0].model;
  config.stages[1].model = model;
  config.stages[1].model.dropout = 0.3;
  ASSERT_TRUE(run(config));
  const auto state = newest_state(config);
  EXPECT_TRUE(state->growths.empty());
  EXPECT_EQ(state->spec.dropout, 0.3);
  EXPECT_EQ(state->step, 12);
}

TEST_F(Loop, ABrokenPromiseStopsTheRunAndSavesNothing) {
  RunConfig config = kit_.config("run");
  const RunConfig two_stages = config;
  config.stages.resize(1);
  ASSERT_TRUE(run(config));
  const auto state = newest_state(config);
  // The old model's logits are no numbers: nothing can be shown to be kept.
  for (float& value : state->params.values()) value = std::nanf("");
  const auto channel = make_single_channel();
  save_checkpoint(*channel, checkpoints_of(config), *state, config, 9);
  const auto files = list_checkpoints(checkpoints_of(config));
  const std::string message = message_of([&] { run(two_stages); }, ErrorKind::internal);
  expect_in("the growth broke its promise at step 6", message);
  expect_in("BROKEN", message);
  EXPECT_EQ(list_checkpoints(checkpoints_of(config)), files);
  EXPECT_TRUE(newest_state(config)->growths.empty());
}

TEST_F(Loop, ALossThatIsNoNumberStopsTheRunAndSavesNothing) {
  RunConfig config = kit_.config("run");
  request_stop(true);
  ASSERT_FALSE(run(config));
  const auto state = newest_state(config);
  for (float& value : state->params.values()) value = std::nanf("");
  const auto channel = make_single_channel();
  save_checkpoint(*channel, checkpoints_of(config), *state, config, 9);
  const auto lines = metric_lines(config);
  expect_in("step 2 is not finite: loss nan",
            message_of([&] { run(config); }, ErrorKind::internal));
  EXPECT_EQ(list_checkpoints(checkpoints_of(config)).size(), 1u);
  EXPECT_EQ(metric_lines(config), lines);
}

TEST_F(Loop, RanksThatDoNotFitTheMeshAreRefused) {
  expect_in("stage single, mesh batch 2: it is of 2 ranks, not 1 rank. Use mpirun -np 2",
            message_of([&] { run(kit_.config("run", "mesh: {batch: 2}")); }, ErrorKind::usage));
}

// Also of a stage that comes later: before the first step.
TEST_F(Loop, AMeshOfALaterStageIsRefusedBeforeTheFirstStep) {
  RunConfig config = kit_.config("run");
  config.stages[2].mesh = {3, {}, 1};
  expect_in("stage longer, mesh batch 3", message_of([&] { run(config); }, ErrorKind::usage));
  EXPECT_FALSE(file_exists(config.out + "/metrics.jsonl"));
}

TEST_F(Loop, TheLogNamesTheMeshFirst) {
  RunConfig config = kit_.config("run");
  config.stages.resize(2);
  testing::internal::CaptureStderr();
  ASSERT_TRUE(run(config));
  EXPECT_EQ(testing::internal::GetCapturedStderr().find("mesh: 1 rank\n"), 0u);
  config.out += "2";
  config.stages[1].mesh = {2, {}, 1};
  testing::internal::CaptureStderr();
  run_local_ranks(2, [&](Channel& world) { EXPECT_TRUE(TrainingRun(config, world).go()); });
  EXPECT_EQ(testing::internal::GetCapturedStderr().find("mesh: batch 2\n"), 0u);
}

TEST_F(Loop, RanksOfOtherConfigsOrDataAreRefused) {
  const RunConfig config = kit_.config("run");
  const auto refusal = [&](const RunConfig& second) {
    return message_of(
        [&] {
          run_local_ranks(2, [&](Channel& world) {
            TrainingRun(world.rank() == 0 ? config : second, world).go();
          });
        },
        ErrorKind::usage);
  };
  RunConfig other = config;
  other.seed = 4;
  expect_in("the run's config differs between ranks", refusal(other));
}

}  // namespace
}  // namespace ortho
