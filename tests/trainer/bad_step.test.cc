// Bad steps: told apart on one rank and on several, and what a run does about them.
#include "trainer/bad_step.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <sstream>

#include "tests/support/errors.h"
#include "tests/support/model_kit.h"
#include "tests/support/run_kit.h"
#include "trainer/stop_flag.h"

namespace ortho {
namespace {

constexpr SpikeRule kNoSpikes = {};
constexpr std::int64_t kWindows = 4;

ModelSpec small() {
  ModelSpec spec;
  spec.tokens = {2, 2};
  spec.channels = 8;
  spec.hidden = 4;
  spec.text_symbols = 7;
  return spec;
}

// Symbols 0 to 5 everywhere: 6 is that of bad windows.
Batch batch_of(std::int64_t first_window, std::int64_t bad_window) {
  Batch batch = random_batch(small(), kWindows, 5);
  batch.first_window = first_window;
  for (size_t i = 0; i < batch.input.size(); ++i) {
    batch.input[i].modality = 1;
    batch.input[i].symbol[0] = static_cast<std::int32_t>(i % 6);
    batch.target[i] = {.scored = 1, .modality = 1, .symbol = {static_cast<std::int32_t>(i % 5)}};
    const auto window = first_window + static_cast<std::int64_t>(i) % kWindows;
    if (window == bad_window) batch.input[i].symbol[0] = 6;
  }
  return batch;
}

// One step on each of `ranks` ranks, which cut the batch; what rank 0 finds.
struct Finding {
  BadStep bad;
  std::string fault;
  bool untouched = true;  // on all ranks
};
using Disturb = std::function<void(int rank, int trial, Params<float>& params)>;

// Symbol 6, which only `bad_window` reads, is embedded as NaN; -1: no window does.
Finding examine(int ranks, std::int64_t bad_window, const Disturb& disturb = {},
                const std::string& broken_weight = "", const StepHistory& history = {},
                const SpikeRule& spikes = kNoSpikes) {
  Finding found;
  run_local_ranks(ranks, [&](Channel& world) {
    const Sharding sharding(small(), kWindows * ranks, Cuts{ranks, {}, 1}, world.rank());
    ModelKit<float> kit(small(), sharding, &world, 1);
    for (int c = 0; c < 8; ++c) kit.params.at("embed.text.symbol").value[6 * 8 + c] = NAN;
    if (!broken_weight.empty()) kit.params.at(broken_weight).value[0] = NAN;
    OptimizerState<float> state = fresh_state(OptimizerConfig{}, kit.params);
    Optimizer<float> optimizer(OptimizerConfig{}, kit.params, state);
    Replicas<float> replicas(world, kit.params);
    StepParts parts = {world, *kit.backend, kit.model, kit.params, replicas, optimizer};
    int trial = 0;
    parts.disturb = [&](std::span<float>) {
      if (disturb) disturb(world.rank(), trial, kit.params);
      ++trial;
    };
    const std::vector<float> before(kit.params.values().begin(), kit.params.values().end());
    const Batch batch = batch_of(kWindows * world.rank(), bad_window);
    const StepStart start = start_step(parts, batch);
    const StepJudge judge = {history, spikes};
    const StepTrial first = try_step(parts, batch, {}, start.normaliser);
    const std::string fault = judge.fault(first);
    const BadStep bad = examine_step(parts, batch, {}, start.normaliser, judge, first, [&] {
      std::vector<std::string> names;
      for (int w = 0; w < kWindows; ++w)
        names.push_back(text("record ", kWindows * world.rank() + w));
      return names;
    });
    const bool same =
        std::memcmp(before.data(), kit.params.values().data(), before.size() * sizeof(float)) == 0;
    const bool all_same = world.max(same ? 0 : 1) == 0;
    for (const std::string& line : world.gather(bad_step_text(1, bad)))
      EXPECT_EQ(line, bad_step_text(1, bad)) << "ranks disagree";
    if (world.rank() == 0) found = {bad, fault, all_same};
  });
  return found;
}

TEST(BadStep, AWindowThatGivesNanIsDataAndNamed) {
  for (const int ranks : {1, 2, 4}) {
    const std::int64_t window = kWindows * ranks - 2;
    const Finding found = examine(ranks, window);
    expect_in("not finite: loss nan", found.fault);
    EXPECT_EQ(found.bad.cause, Cause::data) << ranks;
    EXPECT_EQ(found.bad.bad_windows, 1);
    EXPECT_EQ(found.bad.all_windows, kWindows * ranks);
    EXPECT_EQ(found.bad.windows, std::vector<std::string>{text("record ", window)});
    EXPECT_TRUE(found.untouched);
    expect_in(text("1 of ", kWindows * ranks, " windows are bad alone: data"),
              bad_step_text(7, found.bad));
  }
}

TEST(BadStep, AGradientThatIsBadOnceIsHardwareAndItsRankNamed) {
  const Finding found = examine(4, -1, [](int rank, int trial, Params<float>& params) {
    if (rank == 2 && trial == 0) params.grads()[5] = NAN;
  });
  EXPECT_EQ(found.bad.cause, Cause::hardware);
  ASSERT_EQ(found.bad.ranks.size(), 1u);
  expect_in("rank 2 on ", found.bad.ranks[0]);
  ASSERT_TRUE(found.bad.good.has_value());
  EXPECT_TRUE(std::isfinite(found.bad.good->grad_norm));
  EXPECT_TRUE(found.untouched);
}

TEST(BadStep, ABitThatFlipsInEachTrialLeavesNoGoodResult) {
  const Finding found = examine(2, -1, [](int rank, int trial, Params<float>& params) {
    if (rank != 1) return;
    auto bits = std::bit_cast<std::uint32_t>(params.grads()[3 + static_cast<size_t>(trial)]);
    bits |= 0x7F800000u;  // the exponent of infinity and NaN
    params.grads()[3 + static_cast<size_t>(trial)] = std::bit_cast<float>(bits);
  });
  EXPECT_EQ(found.bad.cause, Cause::hardware);
  ASSERT_EQ(found.bad.ranks.size(), 1u);
  expect_in("rank 1 on ", found.bad.ranks[0]);
  EXPECT_FALSE(found.bad.good.has_value());
}

TEST(BadStep, WeightsThatAreNotFiniteAreDivergence) {
  EXPECT_EQ(examine(2, -1).fault, "") << "nothing is wrong without them";
  const Finding found = examine(2, -1, {}, "head.text");
  expect_in("not finite", found.fault);
  EXPECT_EQ(found.bad.cause, Cause::divergence);
  EXPECT_EQ(found.bad.bad_windows, found.bad.all_windows);
  expect_in("8 of 8 windows are bad alone: divergence", bad_step_text(1, found.bad));
}

TEST(BadStep, ASpikeInAllWindowsIsDivergence) {
  StepHistory history;
  const SpikeRule rule = {20, 8};
  for (int i = 0; i < 8; ++i) remember(history, 0.01, 1e6, rule);
  const Finding found = examine(2, -1, {}, "", history, rule);
  expect_in("a spike: loss ", found.fault);
  EXPECT_EQ(found.bad.cause, Cause::divergence);
}

// ---- whole runs ----

// A run of one stage whose item 7 alone has a z; one step in, z is embedded as NaN.
class BadStepRun : public testing::Test {
 protected:
  BadStepRun() {
    PackRule options;
    options.output = kit_ / "data";
    std::vector<PackItem> items;
    for (int i = 0; i < 40; ++i)
      items.push_back(item_of({{PackPart::Kind::text, sentence(i) + (i == 7 ? " z" : ".")}}, i));
    pack({}, items, options);
  }
  RunConfig config(const std::string& out, std::int64_t steps, const std::string& rule) const {
    return parse_config(parse_yaml(
        text(
            "out: ", kit_ / out, "\ndata: {train: [", kit_ / "data",
            "]}\nbatch: {windows: 8}\nmodel: {channels: 16, hidden: 8, blocks: 1}\n",
            "stages: [{name: all, tokens: [2, 2], until: {steps: ", steps, "}}]\n",
            rule.find("optimizer") == std::string::npos ? "optimizer: {lr: 1e-2, warmup: 3}\n" : "",
            "checkpoint: {every: 2, keep: 3}\n", rule, "\n"),
        "run.yaml"));
  }
  // Its checkpoint of step 1 with the broken row, in the middle of a stage.
  RunConfig broken(const std::string& out, const std::string& rule) const {
    const RunConfig begun = config(out, 400, rule);
    const auto channel = make_single_channel();
    {
      TrainingRun training(begun, *channel);
      request_stop(true);  // leaves after the first step
      EXPECT_FALSE(training.go());
      request_stop(false);
    }
    auto state = newest_state(begun);
    const auto& symbols = state->vocabulary.code_points();
    const auto row = std::find(symbols.begin(), symbols.end(), U'z') - symbols.begin();
    for (int c = 0; c < 16; ++c) state->params.at("embed.text.symbol").value[row * 16 + c] = NAN;
    save_checkpoint(*channel, checkpoints_of(begun), *state, begun, 3);
    return config(out, 40, rule);
  }
  static std::string event_of(const RunConfig& run) {
    std::istringstream lines(read_file(run.out + "/metrics.jsonl"));
    for (std::string line; std::getline(lines, line);)
      if (line.find("\"bad_step\"") != std::string::npos) return line;
    return "";
  }

  RunKit kit_;
};

TEST_F(BadStepRun, StopNamesTheRecord) {
  const RunConfig run_config = broken("run", "bad_step: {policy: stop}");
  const std::string message = message_of([&] { run(run_config); }, ErrorKind::internal);
  expect_in("of 8 windows are bad alone: data", message);
  // Items 0 and 5 are held out and lie behind the others.
  expect_in("shard-0000.h5 record 5 (item 7), window ", message);
  expect_in("bad_step.policy is stop", message);
}

TEST_F(BadStepRun, SkipGoesOnWithoutItsBatch) {
  const RunConfig run_config = broken("run", "bad_step: {policy: skip, most: 100}");
  EXPECT_TRUE(run(run_config));
  const std::string event = event_of(run_config);
  expect_in("record 5 (item 7)", event);
  expect_in("\"done\": \"skip\"", event);
  for (const double loss : step_losses(run_config)) EXPECT_TRUE(std::isfinite(loss));
  EXPECT_EQ(step_losses(run_config).size(), 40u);
}

TEST_F(BadStepRun, RewindGoesBackAndOnBehindTheBatch) {
  const RunConfig a = broken("a", "bad_step: {policy: rewind, most: 100}");
  const RunConfig b = broken("b", "bad_step: {policy: rewind, most: 100}");
  EXPECT_TRUE(run(a));
  expect_in("\"done\": \"rewind\"", event_of(a));
  EXPECT_EQ(step_losses(a).size(), 40u) << "each step once";
  EXPECT_TRUE(run(b));
  expect_same_run(a, b);
}

TEST_F(BadStepRun, TheirNumberIsBounded) {
  const RunConfig run_config = broken("run", "bad_step: {policy: skip, most: 0}");
  expect_in("bad_step.most is 0", message_of([&] { run(run_config); }, ErrorKind::internal));
}

// Decay of lr * weight_decay = 10 a step makes the weights grow without bound.
TEST_F(BadStepRun, ADivergingRateIsCalledThat) {
  const RunConfig run_config =
      config("run", 300, "bad_step: {policy: skip, most: 2}\noptimizer: {lr: 100, warmup: 1}");
  const std::string message = message_of([&] { run(run_config); }, ErrorKind::internal);
  expect_in(": divergence. Lower optimizer.lr", message);
  expect_in("3 bad steps of this stage, bad_step.most is 2", message);
}

}  // namespace
}  // namespace ortho
