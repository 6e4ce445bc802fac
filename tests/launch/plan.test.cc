// The command: what it prints, what it refuses, and the run files in configs/.
#include "launch/plan.h"

#include <gtest/gtest.h>

#include "core/file.h"
#include "launch/rate.h"
#include "launch/run_file.h"
#include "tests/support/errors.h"
#include "tests/support/make_data.h"
#include "tests/support/program.h"
#include "tests/support/temp_folder.h"

namespace ortho {
namespace {

Outcome plan(const std::string& arguments) { return run_program("plan " + arguments); }

Outcome plan_config(const std::string& name, const std::string& options) {
  return plan(std::string(ORTHO_SOURCE_DIR) + "/configs/" + name +
              " --symbols 65 --gflops 50 --set data.train=[/nowhere/data] " + options);
}

std::string refusal(const std::function<void()>& act, int code) {
  const Error error = error_of(act);
  EXPECT_EQ(error.exit_code(), code) << error.what();
  return error.what();
}

// A data set of one shard: `records` records of `letters` letters, all a and b.
void write_data(const std::string& folder, int records, int letters) {
  make_folder(folder);
  std::string words(static_cast<size_t>(letters), 'a');
  words.back() = 'b';
  std::vector<Record> all;
  for (int i = 0; i < records; ++i) all.push_back({{text_of(words)}, "test", Split::train});
  write_shard(folder + "/shard-0000.h5", all);
  Manifest manifest;
  add_shard(manifest, folder + "/shard-0000.h5");
  manifest.symbols = {'a', 'b'};
  write_manifest(folder, manifest);
}

TEST(Plan, Shakespeare) {
  const Outcome one = plan_config("shakespeare.yaml", "");
  EXPECT_EQ(one.code, 0) << one.output;
  expect_in("weights        878,464\n", one.output);
  expect_in("868,480 nominal, 812,032 executed", one.output);
  expect_in("= 64 tokens; 12 windows a step, 12 a rank", one.output);
  expect_in("2,000, 1,536,000 characters", one.output);
  expect_in("65, given by --symbols; /nowhere/data is not packed yet", one.output);
  expect_in("3.742e+09 a step, 7.484e+12 in all", one.output);  // 6 x 812,032 x 768, and x 2,000
  expect_in("about 74.8 ms a step, 2m30s in all", one.output);  // at 50 GFLOP/s
  expect_in("none, there is one rank", one.output);
  const Outcome four = plan_config("shakespeare.yaml", "--ranks 4");
  expect_in("6 messages, 5,270,784 bytes a rank for the gradients", four.output);
  expect_in("21 messages, 840 bytes a rank for counts and losses", four.output);
  // 18.71 ms to compute; 27 messages of 5 us and 5,271,600 bytes at 10 GB/s.
  expect_in("about 19.4 ms a step, 0.662 ms of it messages", four.output);
}

// 8 ranks on 2 nodes: FLOP/s, memory, links, disk and price are the file's.
TEST(Plan, ReckonsWithADescribedMachine) {
  const TempFolder folder;
  const std::string machine = folder / "machine.yaml";
  write_file_durably(machine,
                     "ranks_per_node: 4\nflops: 1e12\nbandwidth: 1e11\nnode_bandwidth: 1e11\n"
                     "network_latency: 1e-4\nnetwork_bandwidth: 1e9\ndisk: 2e9\nprice: 30\n");
  const std::string config = std::string(ORTHO_SOURCE_DIR) + "/configs/shakespeare.yaml";
  const std::string options =
      " --symbols 65 --set data.train=[/nowhere/data] --ranks 8 --set batch.windows=16";
  const Outcome described = plan(config + options + " --machine " + machine);
  EXPECT_EQ(described.code, 0) << described.output;
  expect_in(
      "by the machine's FLOP/s and, where a step touches more memory than it allows, its "
      "bandwidth; " +
          machine,
      described.output);
  expect_in("a checkpoint   10,541,568 bytes, written in 5.27 ms", described.output);
  expect_in(" on 2 nodes, ", described.output);
  expect_in(" to pay\n", described.output);
  const Outcome both = plan(config + options + " --probe --machine " + machine);
  EXPECT_EQ(both.code, 64);
  expect_in("give one of them", both.output);
}

TEST(Plan, FailsOverALimitAndNamesTheStage) {
  const Outcome fits = plan_config("shakespeare.yaml", "--fail-over 80GB");
  EXPECT_EQ(fits.code, 0) << fits.output;
  const Outcome over = plan_config("shakespeare.yaml", "--fail-over 20MB");
  EXPECT_EQ(over.code, 64);
  expect_in("--fail-over allows 20,000,000", over.output);
  expect_in(" bytes a rank", over.output);
  expect_in("weights        878,464\n", over.output);  // the plan stands above
  expect_in("write bytes as 80GB", plan_config("shakespeare.yaml", "--fail-over 80XB").output);
}

// The paper's goal: a context of 10^9 tokens, on a described cluster, without anything allocated.
TEST(Plan, AContextOfABillionTokens) {
  const TempFolder folder;
  const std::string machine = folder / "machine.yaml";
  write_file_durably(machine,
                     "ranks_per_node: 8\nflops: 3e14\nbandwidth: 3e12\n"
                     "node_bandwidth: 3e11\nnetwork_bandwidth: 4e11\n");
  const Outcome outcome =
      plan(text(ORTHO_SOURCE_DIR, "/configs/shakespeare.yaml --symbols 65 --machine ", machine,
                " --ranks 16 --set data.train=[/nowhere/data] --set data.streams=1",
                " --set batch.windows=1 --set 'mesh={tokens: [16]}'",
                " --set 'stages=[{name: all, tokens: [1024, 1024, 1024], until: {steps: 10}}]'"));
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  expect_in("= 1,073,741,824 tokens", outcome.output);
  expect_in(" on 2 nodes, ", outcome.output);
}

// What does not fit the described ranks says how many would do.
TEST(Plan, SaysHowManyRanksItWouldTake) {
  const TempFolder folder;
  const std::string machine = folder / "machine.yaml";
  write_file_durably(machine, "memory: 30000000\n");
  const Outcome outcome =
      plan(text(ORTHO_SOURCE_DIR, "/configs/shakespeare.yaml --symbols 65 --machine ", machine,
                " --set data.train=[/nowhere/data]"));
  EXPECT_EQ(outcome.code, 64);
  expect_in("but may use 30000000", outcome.output);
  expect_in("2 ranks would do", outcome.output);
}

TEST(Plan, NamesTheMeshOfEachStage) {
  expect_in("mesh           1 rank\n", plan_config("shakespeare.yaml", "").output);
  expect_in("mesh           batch 4, estimated 19.3 ms a step, the ",
            plan_config("shakespeare.yaml", "--ranks 4").output);
  expect_in("mesh           batch 4, as the run file says\n",
            plan_config("shakespeare.yaml", "--ranks 4 --set mesh.batch=4").output);
  const Outcome paper = plan_config("paper.yaml", "--ranks 2 --set stages.1.mesh.batch=2");
  EXPECT_EQ(paper.code, 0) << paper.output;
  size_t named = 0;  // stages 2, 3 and 4: the later ones inherit
  for (size_t at = 0; (at = paper.output.find("as the run file says", at)) != std::string::npos;
       ++at)
    ++named;
  EXPECT_EQ(named, 3u) << paper.output;
}

RankedMesh mesh_of(int batch, const std::vector<int>& tokens, double sec,
                   const std::string& reason) {
  RankedMesh mesh;
  mesh.cuts.batch = batch;
  mesh.cuts.tokens = tokens;
  mesh.cost.compute_sec = sec;
  mesh.cost.bytes.weights = 1000 * batch;
  mesh.reason = reason;
  return mesh;
}

// The whole text of a choice, for a cost that is made up.
TEST(PlanText, ShowsRunnersUpRefusalsAndExchanges) {
  RunCost cost;
  cost.plan.stages.emplace_back();
  cost.stages.emplace_back();
  MeshChoice choice;
  choice.meshes.push_back(mesh_of(2, {2}, 0.010, ""));
  for (const int batch : {4, 1, 2})
    choice.meshes.push_back(mesh_of(batch, {4 / batch}, 0.012, text("reason ", batch)));
  RefusedMesh& refused = choice.refused.emplace_back();
  refused.cuts.tokens = {1, 4};
  refused.reason = "too small";
  choice.left_out = 7;
  cost.meshes.push_back(choice);
  cost.stages[0].rank.exchange = {{"s_1", {1200, 3, 0}, {2400, 4, 0}}};
  PlanFacts facts;
  facts.ranks = 4;
  facts.data.cache_bytes = {0};
  facts.rate.rates = {{1e9, 0}};
  const std::string out = plan_text(facts, cost);
  expect_in(
      "  mesh           batch 2 x s_1 2, estimated 10 ms a step, the least of 4\n"
      "  runners-up     batch 4, 12 ms, 4,000 bytes a rank: reason 4\n"
      "                 s_1 4, 12 ms, 1,000 bytes a rank: reason 1\n"
      "                 1 other refused, such as s_2 4: too small\n"
      "                 7 more were not looked at\n",
      out);
  expect_in(
      "                 3 messages, 1,200 bytes forward and 4 messages, 2,400 bytes backward "
      "by rank 0 for s_1\n",
      out);
}

TEST(Plan, ThePapersModelGrowsFromOneAxisToFour) {
  const Outcome outcome = plan_config("paper.yaml", "--ranks 4");
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  expect_in("stage 4 of 4, paragraphs", outcome.output);
  for (const char* line :
       {"token axis 1 (size 4) added outermost", "token axis 2 (size 2) added outermost",
        "token axis 3 (size 2) added outermost", "at the start of the window unchanged",
        "dense map, 1 block, C 32, E 32, 2 passes", "run: 4 stages, 2,000 steps"})
    expect_in(line, outcome.output);
}

TEST(Plan, LongContext) {
  const Outcome outcome = plan_config("long_context.yaml", "");
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  expect_in("= 65,536 tokens; 1 window a step, 1 a rank", outcome.output);
  expect_in("5, 327,680 characters", outcome.output);
}

TEST(Plan, EveryRunFileOfTheProjectCanRun) {
  int files = 0;
  for (const std::string& name : list_folder(std::string(ORTHO_SOURCE_DIR) + "/configs")) {
    const Outcome outcome = plan_config(name, "");
    EXPECT_EQ(outcome.code, 0) << name << ": " << outcome.output;
    ++files;
  }
  EXPECT_GE(files, 3);
}

TEST(Plan, WhatTrainRefusesExitsWith64) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"--ranks 16 --set mesh.batch=16", "more replicas than windows"},
      {"--ranks 8 --set mesh.batch=8", "8 replicas must divide the batch of 12"},
      {"--ranks 257", "no mesh of 257 ranks works"},
      {"--set mesh.batch=2", "stage all, mesh batch 2: it is of 2 ranks, not 1 rank"},
      {"--set stages.0.mesh.tokens=[3]", "mesh s_1 3: it is of 3 ranks, not 1 rank"},
      {"--set model.norm=layer --set 'stages=[{until: {steps: 1}}, {channels: 256, until: {steps: "
       "1}}]'",
       "model.channels 128 -> 256 with norm: layer"},
      {"--set 'stages=[{until: {steps: 1}}, {tokens: [2, 2, 2, 2, 2, 4], until: {steps: 1}}]'",
       "changes the strides of the axes outside it"},
      {"--set model.chanels=3", "channels"},
  };
  for (const auto& [options, reason] : cases) {
    const Outcome outcome = plan_config("shakespeare.yaml", options);
    EXPECT_EQ(outcome.code, 64) << options;
    expect_in(reason, outcome.output);
    EXPECT_EQ(outcome.output.find("stage 1"), std::string::npos) << "half a plan was printed";
  }
}

TEST(Plan, MeasuresTheRateWhenNoneIsGiven) {
  const Outcome outcome = plan(std::string(ORTHO_SOURCE_DIR) + "/configs/shakespeare.yaml " +
                               "--set data.train=[/nowhere/data]");
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  expect_in("measured here", outcome.output);
  expect_in("256, assumed; /nowhere/data is not packed yet", outcome.output);
  expect_in("ms a step for the optimizer", outcome.output);
}

class PlanData : public testing::Test {
 protected:
  // A run of windows of `tokens` letters on the data in `folder`.
  RunConfig config(const std::string& tokens) {
    write_file_durably(folder_ / "run.yaml",
                       "data: {train: ['" + (folder_ / "data") + "'], padding: end}\n" +
                           "batch: {windows: 2}\nmodel: {tokens: " + tokens +
                           ", channels: 4, hidden: 4}\nstages: [{until: {steps: 6}}]\n");
    return read_run_file(folder_ / "run.yaml", {});
  }
  TempFolder folder_;
};

TEST_F(PlanData, SymbolsAndWindowsComeFromTheData) {
  write_data(folder_ / "data", 5, 7);
  const DataFacts facts = find_data(config("[4]"), 65, 2);
  EXPECT_TRUE(facts.packed);
  EXPECT_EQ(facts.symbols, 2);
  expect_in("--symbols 65 is not used", facts.symbols_from);
  EXPECT_EQ(facts.samples, std::vector<std::int64_t>{10});  // 5 records of 2 windows
  const std::int64_t bytes =
      static_cast<std::int64_t>(std::filesystem::file_size(folder_ / "data/shard-0000.h5"));
  EXPECT_EQ(facts.cache_bytes, std::vector<std::int64_t>{bytes});
  const Outcome outcome = plan((folder_ / "run.yaml") + " --gflops 1");
  expect_in("2, in use in the data sets", outcome.output);
  expect_in("10 windows, read 1.2 times", outcome.output);  // 6 steps of 2
}

TEST_F(PlanData, TooFewWindowsAreFoundHere) {
  write_data(folder_ / "data", 1, 3);
  expect_in("more windows than samples: the batch has 2 windows, the data give 1 samples",
            refusal([&] { find_data(config("[4]"), 0, 1); }, 64));
}

TEST_F(PlanData, ADamagedManifestIsNoMissingOne) {
  write_data(folder_ / "data", 5, 7);
  write_file_durably(folder_ / "data/MANIFEST", "nonsense\n");
  expect_in("data/MANIFEST", refusal([&] { find_data(config("[4]"), 0, 1); }, 65));
}

TEST(Rate, TheProbeKeepsTheShapesOfSmallModels) {
  ModelSpec spec;
  spec.tokens = {4, 4};
  spec.blocks = 3;
  spec.refeeds = 2;
  spec.text_symbols = 65;
  const Probe probe = probe_of(spec, 12);
  EXPECT_EQ(probe.windows, 12);
  spec.blocks = spec.refeeds = 1;
  EXPECT_EQ(probe.spec, spec);
}

TEST(Rate, TheProbeCutsLongWindowsFromOutside) {
  ModelSpec spec;
  spec.channels = spec.hidden = 64;
  spec.tokens = {1024, 1024, 16};
  const Probe probe = probe_of(spec, 4);
  EXPECT_EQ(probe.spec.tokens, (Shape{1, 512, 16}));  // 2^20 elements over 128 channels
  EXPECT_EQ(probe.windows, 1);
}

// A weight for every connection of 65,536 x 4 nodes would be 2^36 of them.
TEST(Rate, TheProbeCutsSeparateWeights) {
  ModelSpec spec;
  spec.map = MapKind::dense;
  spec.weights = Weights::separate;
  spec.channels = spec.hidden = 4;
  spec.gate = false;
  spec.tokens = {65536};
  spec.text_symbols = 5;
  EXPECT_EQ(probe_of(spec, 4).spec.tokens, Shape{2048});  // 2^24 weights; 4096 would be just over
}

// No value is promised, but every kind of model can be measured.
TEST(Rate, EveryKindOfModelCanBeMeasured) {
  ModelSpec spec;
  spec.tokens = {2, 2};
  spec.channels = spec.hidden = 4;
  spec.text_symbols = 5;
  spec.modalities = {Modality::text, Modality::pixel, Modality::audio};
  spec.modality_head = spec.modality_table = true;
  for (const MapKind map : {MapKind::joint, MapKind::dense})
    for (const Wiring wiring : {Wiring::causal, Wiring::grid}) {
      spec.map = map;
      spec.wiring = wiring;
      StageCost cost;
      cost.context = 4;
      cost.rank.windows = cost.rank.model_windows = 2;
      cost.rank.own_weights = count_weights(param_specs(spec));
      cost.macs = forward_macs(spec);
      const Rate rate = measure_rate(cost, spec, {}, 1, 0.01);
      EXPECT_GT(rate.flops_per_sec, 0);
      EXPECT_LT(rate.flops_per_sec, 1e12);  // no core reaches a TFLOP/s
      EXPECT_GT(rate.update_sec, 0);
      EXPECT_LT(rate.update_sec, 1);
    }
}

TEST(PlanText, GroupsDigits) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(868480), "868,480");
  EXPECT_EQ(grouped(-1234567), "-1,234,567");
  EXPECT_EQ(grouped(-123), "-123");
}

}  // namespace
}  // namespace ortho
