// The run in small: what stays of a run file, and the whole rehearsal by the program.
#include <gtest/gtest.h>

#include "dataio/manifest.h"
#include "launch/rehearse_config.h"
#include "launch/yaml.h"
#include "tests/support/errors.h"
#include "tests/support/program.h"
#include "tests/support/run_kit.h"
#include "trainer/stage_data.h"

namespace ortho {
namespace {

RunConfig parsed(const std::string& yaml) { return parse_config(parse_yaml(yaml, "run.yaml")); }

TEST(RehearseConfig, WhatGrowsStillGrows) {
  const RunConfig config = parsed(
      "out: x\ndata: {train: [none]}\nmodel: {channels: 256, hidden: 128, blocks: 3}\nstages:\n"
      "  - {name: a, tokens: [16], until: {steps: 1000}}\n"
      "  - {name: b, tokens: [8, 64], blocks: 6, channels: 512, until: {flops: 1e15}}\n");
  const RunConfig small = shrink_run(config, 65).config;
  ASSERT_EQ(small.stages.size(), 2u);
  const ModelSpec &a = small.stages[0].model, &b = small.stages[1].model;
  EXPECT_EQ(a.tokens, (Shape{4}));
  EXPECT_EQ(b.tokens, (Shape{2, 8}));
  EXPECT_EQ(a.blocks, 2);
  EXPECT_EQ(b.blocks, 3);
  EXPECT_EQ(a.channels, 16);
  EXPECT_EQ(b.channels, 32);
  EXPECT_EQ(small.stages[1].until.flops, 0);
  EXPECT_EQ(small.stages[1].batch.windows, 8);
  EXPECT_NO_THROW(check_growths(plan_run(small, 65)));
}

// A record of one_shot must fit its window.
TEST(RehearseConfig, OneShotKeepsItsAxes) {
  const RunConfig config = parsed(
      "out: x\ndata: {train: [none]}\nobjective: {one_shot: 1}\nmodel: {wiring: grid}\n"
      "stages: [{tokens: [29, 28], until: {steps: 10}}]\n");
  EXPECT_EQ(shrink_run(config, 65).config.stages[0].model.tokens, (Shape{29, 28}));
}

TEST(RehearseConfig, DataThatAreNotThereAreMadeUp) {
  const RunKit kit;
  RunConfig config = kit.config("run");
  EXPECT_EQ(make_missing_data(config, kit / "made"), "") << "all are there";
  for (StageConfig& stage : config.stages) stage.data.train = {"no/texts"};
  config.stages.back().data.train = {"no/texts", "no/media"};
  make_folder(kit / "made");
  EXPECT_EQ(make_missing_data(config, kit / "made"), "no/media, no/texts");
  EXPECT_EQ(config.stages[0].data.train, config.stages[1].data.train);
  EXPECT_GT(run_vocabulary(config).size(), 0);
  EXPECT_EQ(read_manifest(config.stages[3].data.train[1]).records[0], 48u)
      << "of 60, a fifth held out";
}

TEST(Rehearse, HoldsAndSaysSo) {
  const RunKit kit;
  const Outcome outcome =
      run_program("rehearse " + kit.write_yaml("run") + " --folder " + (kit / "small"));
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  for (const char* line :
       {"ok     all stages: 4 stages", "grew: step ",
        "ok     a rank killed (kill -9): ", "ok     asked to leave (USR1): saved, left with 75",
        "ok     other ranks: begun on 2, ended on 1", "ok     a full disk: ended with 74",
        "ok     a damaged checkpoint: said so", "all held after"})
    expect_in(line, outcome.output);
}

// Too few sentences for the windows of a step: train says so, and so does the rehearsal.
TEST(Rehearse, WhatWouldBreakIsSaid) {
  const RunKit kit;
  pack_texts(kit / "few", 2);
  const Outcome outcome =
      run_program("rehearse " + kit.write_yaml("run") + " --folder " + (kit / "small") +
                  " --set stages.2.data.train=[" + (kit / "few") + "]");
  EXPECT_EQ(outcome.code, 1) << outcome.output;
  expect_in("BREAKS all stages: exit code 64: ", outcome.output);
  expect_in("something would break after", outcome.output);
}

}  // namespace
}  // namespace ortho
