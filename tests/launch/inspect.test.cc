#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/file.h"
#include "dataio/box_file.h"
#include "dataio/pack.h"
#include "tests/support/errors.h"
#include "tests/support/make_data.h"
#include "tests/support/program.h"
#include "tests/support/temp_folder.h"

namespace ortho {
namespace {

class Inspect : public ::testing::Test {
 protected:
  // A data set of a text, in two splits.
  std::string data() const {
    std::string words;
    for (int i = 0; i < 400; ++i) words += text("line ", i, "\n");
    std::ofstream(folder_ / "words.txt") << words;
    PackRule rule;
    rule.output = folder_ / "data";
    rule.split = split_rule_from("tail:0.1");
    pack({{folder_ / "words.txt", "", {}}}, {}, rule);
    return rule.output;
  }

  // A run of two stages, the second grown.
  std::string run() const {
    std::ofstream(folder_ / "run.yaml") << "data: {train: " << data() << "}\n"
                                        << "out: " << (folder_ / "run") << R"(
batch: {windows: 2}
model: {channels: 4, hidden: 4}
stages:
  - {name: words, tokens: [2, 2], until: {steps: 2}}
  - {name: lines, tokens: [2, 2, 2], until: {steps: 3}}
optimizer: {warmup: 1}
)";
    const Outcome trained = run_program("train " + (folder_ / "run.yaml"));
    EXPECT_EQ(trained.code, 0) << trained.output;
    return folder_ / "run";
  }

  static std::string show(const std::string& arguments) {
    const Outcome outcome = run_program("inspect " + arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.output;
    return outcome.output;
  }

  TempFolder folder_;
};

TEST_F(Inspect, AShardAndItsRecords) {
  const std::string path = folder_ / "made.h5";
  const Record record{
      {picture_of(1, 2, 3), text_of("a \"bag\"\n"), sound_of(5, 40)}, "bag.png", Split::valid};
  write_shard(path, {record, record, record});
  const std::string shown = show(path + " --records 1 --verify");
  expect_in("3 records: 3 valid\n", shown);
  expect_in("parts: 3 text, 3 image, 3 audio;", shown);
  expect_in("block of 65536 bytes", shown);
  expect_in(
      "record 0: valid \"bag.png\": image 2x3, text of 8 \"a \\\"bag\\\"\\n\", "
      "audio of 40 samples at 8000 Hz, 1 channel\n",
      shown);
  EXPECT_EQ(shown.find("record 1:"), std::string::npos) << shown;
  expect_in("every checksum is right", shown);
}

TEST_F(Inspect, ADataSet) {
  const std::string shown = show(data());
  expect_in("2 records: 1 train, 1 valid\n", shown);
  expect_in("shard-0000.h5: 2 records", shown);
  expect_in("train \"words.txt\": text of ", shown);
  expect_in("\"line 0\\nline 1\\n", shown);
}

TEST_F(Inspect, ABoxFile) {
  const std::string path = folder_ / "boxes.h5";
  BoxFileWriter writer(path);
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  writer.write("weight/a", {2, 3}, whole({2, 3}), values.data());
  const std::vector<std::int64_t> regions = {0, 0, 1, 3, 7, 1, 0, 2, 3, 2};
  writer.write("steps/a", {10}, whole({10}), regions.data());
  writer.finish();
  const std::string shown = show(path + " --verify");
  expect_in("2 arrays, 6 weights\n", shown);
  expect_in("weight/a f32 [2, 3]\n      [0, 0] to [1, 3]: 7 steps\n      [1, 0] to [2, 3]: 2 steps",
            shown);
}

TEST_F(Inspect, ACheckpointAndARun) {
  const std::string folder = run();
  const std::string shown = show(folder + " --verify");
  expect_in("stage 1 of 2, words: steps 0 to 2, context 4, done\n", shown);
  expect_in("stage 2 of 2, lines: steps 2 to 5, context 8, grows first, done\n", shown);
  expect_in("step 5 of 5", shown);
  expect_in("growth: ", shown);
  expect_in("every checksum is right", shown);
  const std::string first = show(folder + "/checkpoints/step-0000000002");
  expect_in("step 2 of 5, parent none\n", first);
  expect_in("weight/head.text f32 [4, 16], 2 steps\n", first);
  EXPECT_EQ(show(folder + " --config"), read_file(folder + "/run.yaml"));
  EXPECT_EQ(show(folder + "/checkpoints/step-0000000002 --config"),
            read_file(folder + "/run.yaml"));
}

TEST_F(Inspect, VerifyFindsOneFlippedBit) {
  const std::string path = data() + "/shard-0000.h5";
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const std::string bytes = read_file(path);
  const auto at = static_cast<std::streamoff>(bytes.find("line 7\n"));
  ASSERT_NE(at, -1);
  file.seekp(at).put('L');
  file.close();
  EXPECT_EQ(run_program("inspect --records 0 " + path).code, 0);  // the payload is not read
  const Outcome shard = run_program("inspect --verify " + path);
  EXPECT_EQ(shard.code, 65);
  expect_in(path + " block 0 has checksum", shard.output);
  const Outcome set = run_program("inspect --verify " + (folder_ / "data"));
  EXPECT_EQ(set.code, 65);
  expect_in(path, set.output);
}

TEST_F(Inspect, WhatIsNothingIsNamed) {
  const Outcome empty = run_program("inspect " + folder_.path());
  EXPECT_EQ(empty.code, 64);
  expect_in(folder_.path() + " holds neither a MANIFEST", empty.output);
  std::ofstream(folder_ / "a.txt") << "words";
  const Outcome words = run_program("inspect " + (folder_ / "a.txt"));
  EXPECT_EQ(words.code, 65);
  expect_in(folder_ / "a.txt", words.output);
  const Outcome none = run_program("inspect " + (folder_ / "none"));
  EXPECT_EQ(none.code, 64);
  expect_in("none does not exist", none.output);
}

}  // namespace
}  // namespace ortho
