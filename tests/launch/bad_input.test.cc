// Whatever a user may feed the program: a clear error with file and place, the right exit code, and
// nothing half-written that could be taken for whole.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/file.h"
#include "dataio/dataset.h"
#include "dataio/manifest.h"
#include "dataio/media/idx.h"
#include "dataio/pack.h"
#include "tests/support/hostile.h"
#include "tests/support/program.h"
#include "tests/support/temp_folder.h"
#include "trainer/checkpoint.h"

namespace ortho {
namespace {

constexpr int kUsage = 64, kData = 65, kDisk = 74;

class BadInput : public ::testing::Test {
 protected:
  std::string put(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ / name, std::ios::binary) << content;
    return folder_ / name;
  }
  std::string put(const std::string& name, const Bytes& content) const {
    return put(name, std::string(content.begin(), content.end()));
  }

  // Packs `input`; the output folder must not look like a data set when it is refused.
  Outcome packed(const std::string& input, const std::string& before = "") const {
    const Outcome outcome =
        run_program(text("pack ", input, " --split train --out ", folder_ / "out"), before);
    if (outcome.code != 0 && file_exists(folder_ / "out")) {
      EXPECT_EQ(list_folder(folder_ / "out"), std::vector<std::string>{});
    }
    return outcome;
  }

  // A data set of one text and a run file that reads it, with one stage of two steps.
  std::string run_file(const std::string& more = "") const {
    std::string words;
    for (int i = 0; i < 100; ++i) words += text("line ", i, '\n');
    PackRule rule;
    rule.output = folder_ / "data";
    rule.split = split_rule_from("train");
    rule.replace = true;
    pack({{put("words.txt", words), "", {}}}, {}, rule);
    return put("run.yaml", text("data: {train: ", rule.output, "}\nout: ", folder_ / "run",
                                "\nbatch: {windows: 2}\nmodel: {channels: 16, hidden: 16}\n", more,
                                "stages: [{name: a, tokens: [2, 2], until: {steps: 2}}]\n"));
  }
  std::string shard() const { return folder_ / "data/shard-0000.h5"; }

  bool has_checkpoint() const { return !list_checkpoints(folder_ / "run/checkpoints").empty(); }

  TempFolder folder_;
};

void expect(const Outcome& outcome, int code, const std::string& part) {
  EXPECT_EQ(outcome.code, code) << outcome.output;
  EXPECT_NE(outcome.output.find(part), std::string::npos) << outcome.output;
  EXPECT_EQ(outcome.output.find("HDF5-DIAG"), std::string::npos) << outcome.output;
}

size_t times(const std::string& part, const std::string& whole_text) {
  size_t count = 0;
  for (size_t at = whole_text.find(part); at != std::string::npos;
       at = whole_text.find(part, at + 1))
    ++count;
  return count;
}

TEST_F(BadInput, OneRankTrainsWithoutMpirun) {
  expect(run_program("train " + run_file()), 0, "on 1 rank\n");
  EXPECT_TRUE(has_checkpoint());
}

TEST_F(BadInput, ATruncatedShard) {
  const std::string run = run_file();
  std::filesystem::resize_file(shard(), std::filesystem::file_size(shard()) / 2);
  expect(run_program("train " + run), kData, shard());
  EXPECT_FALSE(has_checkpoint());
  expect(run_program("inspect " + shard()), kData, shard());
}

TEST_F(BadInput, AFlippedByteInAShard) {
  const std::string run = run_file(), bytes = read_file(shard());
  const auto at = static_cast<std::streamoff>(bytes.find("line 7\n"));
  ASSERT_NE(at, -1);
  std::fstream(shard(), std::ios::in | std::ios::out | std::ios::binary).seekp(at).put('L');
  expect(run_program("train " + run), kData, shard() + " block 0 has checksum");
  EXPECT_FALSE(has_checkpoint());
}

TEST_F(BadInput, AnIdxHeaderThatLies) {
  Bytes bytes = encode_idx_images({2, 2, 2, {1, 2, 3, 4, 5, 6, 7, 8}});
  bytes[7] = 200;  // the count: two images, it says 200
  const std::string path = put("images", bytes);
  expect(packed(path), kData, path);
  bytes[4] = bytes[5] = bytes[8] = bytes[12] = 0xFF;  // sizes whose product overflows
  expect(packed(put("images", bytes)), kData, path);
}

// 24 bits are no mistake: rounded to the nearest of 16 bits, and clipped.
TEST_F(BadInput, AWavOf24BitsIsRead) {
  const std::string head(
      "RIFF\x39\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1F\0\0\xC0\x5D\0\0\3\0\x18\0"
      "data\x15\0\0\0",
      44);
  const std::string samples(
      "\x00\x00\x00"   // 0
      "\x56\x34\x12"   // 0x1234 and 86 of 256: down
      "\xC0\x34\x12"   // 0x1234 and 192 of 256: up
      "\xFF\xFF\xFF"   // -1 of 256: 0
      "\x40\xFF\xFF"   // -192 of 256: -1
      "\xFF\xFF\x7F"   // the largest: clipped
      "\x00\x00\x80",  // the smallest
      21);
  expect(packed(put("a.wav", head + samples + '\0')), 0, "1 audio;");
  const Record record = Dataset({folder_ / "out"}, Split::train).record(0);
  ASSERT_EQ(record.parts[0].bytes.size(), 14u);
  std::array<std::int16_t, 7> values;
  std::memcpy(values.data(), record.parts[0].bytes.data(), sizeof values);
  EXPECT_EQ(values, (std::array<std::int16_t, 7>{0, 0x1234, 0x1235, 0, -1, 32767, -32768}));
  expect(packed(put("a.wav", head + samples.substr(0, 10)) + " --replace"), kData,
         folder_ / "a.wav");
}

TEST_F(BadInput, TextThatIsNoUtf8) {
  const std::string path = put("a.txt", std::string("good \xC3("));
  expect(packed(path), kData, path + " is not valid UTF-8 at byte 5 (C3 28)");
}

TEST_F(BadInput, FoldersAndFilesThatAreNotThere) {
  make_folder(folder_ / "empty");
  expect(packed(folder_ / "empty"), kUsage, folder_ / "empty has no files");
  expect(packed(folder_ / "none.txt"), kUsage, folder_ / "none.txt");
  expect(run_program("train " + (folder_ / "none.yaml")), kUsage, folder_ / "none.yaml");
}

TEST_F(BadInput, FoldersThatCannotBeWritten) {
  const std::string file = put("file", "x");  // below a file there is no folder, for root neither
  expect(run_program(text("pack ", file, " --split train --out ", file, "/out")), kDisk,
         file + "/out");
  const std::string run = run_file();
  expect(run_program(text("train ", run, " --set out=", file, "/run")), kDisk, file + "/run");
  expect(run_program("inspect " + shard() + " >/dev/full"), kDisk, "");
}

// A limit on the size of files stands for a full disk: writes beyond it fail. 512 bytes a block.
TEST_F(BadInput, AFullDisk) {
  const std::string full = "trap '' XFSZ; ulimit -f 16; ";
  expect(packed(put("a.txt", std::string(100'000, 'a')), full), kDisk, "shard-0000.h5");
  expect(run_program("train " + run_file(), full), kDisk, "step-0000000002/rank-0.h5");
  EXPECT_FALSE(has_checkpoint());
  expect(run_program("train " + (folder_ / "run.yaml")), 0, "starts: ");  // from the beginning
}

TEST_F(BadInput, ATypoInTheConfig) {
  const std::string run = run_file("optimizer: {lr: 1e-3,\n  wamup: 3}\n");
  expect(run_program("train " + run), kUsage,
         run + ":6: unknown field optimizer.wamup; did you mean warmup?");
  expect(run_program("train " + run_file("seed: -1\n")), kUsage, run + ":5: seed is '-1'");
  EXPECT_FALSE(file_exists(folder_ / "run"));
}

TEST_F(BadInput, ShapesTooLargeToCount) {
  const std::string run = run_file();
  expect(run_program("train " + run + " --set stages.0.tokens=[1000000000,1000000000,1000000000]"),
         kUsage, "model.tokens [1000000000, 1000000000, 1000000000] x channels 16 make more than");
  expect(run_program("train " + run + " --set batch.windows=4000000000000000"), kUsage,
         "4000000000000000");
  EXPECT_FALSE(has_checkpoint());
}

TEST_F(BadInput, MoreWindowsThanSamples) {
  expect(run_program("train " + run_file() + " --set batch.windows=100000"), kUsage,
         "more windows than samples: the batch has 100000 windows");
  EXPECT_FALSE(has_checkpoint());
}

TEST_F(BadInput, ALineOfAList) {
  const std::string list = put("l.jsonl", "{\"parts\": [{\"text\": \"a\"}]}\n{\"parts\": [}\n");
  expect(packed(list), kData, list + ":2: column 12: no valid JSON");
  put("l.jsonl", "{\"parts\": [{\"text\": \"a\"}], \"spilt\": \"test\"}\n");
  expect(packed(list), kUsage, list + ":1: unknown field spilt; did you mean split?");
  put("l.jsonl", "{\"parts\": [{\"text\": \"a\"}, {\"file\": \"gone.wav\"}]}\n");
  expect(packed(list), kUsage, folder_ / "gone.wav");
}

TEST_F(BadInput, WhatAllRanksMeetIsPrintedOnce) {
  const std::string run = run_file();
  const auto ranks = [&](int count, const std::string& more) {
    return run_mpi(text("-np ", count, ' ', ORTHO_BINARY, " train ", run, more));
  };
  Outcome outcome = ranks(2, " --set batch.windos=4");  // before MPI starts
  expect(outcome, kUsage, "did you mean windows?");
  EXPECT_EQ(times("did you mean", outcome.output), 1u) << outcome.output;
  outcome = ranks(3, " --set model.activation=sort2");  // agreed by all
  expect(outcome, kUsage, "the mesh cuts the channels into 3 parts, but activation: sort2");
  EXPECT_EQ(times("into 3 parts", outcome.output), 1u) << outcome.output;
  EXPECT_FALSE(has_checkpoint());
}

TEST_F(BadInput, WhatOneRankMeetsIsPrintedToo) {
  const std::string train = text("-np 1 ", ORTHO_BINARY, " train ");
  const Outcome outcome = run_mpi(train + run_file() + " : " + train + (folder_ / "none.yaml"));
  expect(outcome, kUsage, folder_ / "none.yaml");
}

}  // namespace
}  // namespace ortho
