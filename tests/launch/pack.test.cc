#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <set>

#include "core/file.h"
#include "dataio/dataset.h"
#include "dataio/manifest.h"
#include "dataio/media/gzip.h"
#include "dataio/media/idx.h"
#include "dataio/media/png.h"
#include "dataio/media/utf8.h"
#include "dataio/media/wav.h"
#include "launch/commands.h"
#include "tests/support/errors.h"
#include "tests/support/hostile.h"
#include "tests/support/media_kit.h"
#include "tests/support/temp_folder.h"

namespace ortho {
namespace {

class PackCommand : public ::testing::Test {
 protected:
  template <class Content>
  std::string put(const std::string& name, const Content& content) const {
    const std::string path = folder_ / name;
    std::ofstream(path, std::ios::binary) << std::string(content.begin(), content.end());
    return path;
  }
  std::string put(const std::string& name, const char* content) const {
    return put(name, std::string(content));
  }

  // Packs as the command line says; returns what the command printed.
  std::string pack(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "pack");
    arguments.insert(arguments.end(), {"--out", out_, "--replace"});
    ::testing::internal::CaptureStdout();
    const int code = run_pack(std::get<PackOptions>(parse_command(arguments)));
    const std::string printed = ::testing::internal::GetCapturedStdout();
    EXPECT_EQ(code, 0);
    return printed;
  }

  // The records of a split, each as "image:…" of its
  // first value, "audio:…" of its samples, or words.
  std::vector<std::string> packed(Split split) const {
    const Dataset data({out_}, split);
    std::vector<std::string> records;
    for (std::int64_t i = 0; i < data.records(); ++i) {
      std::string line;
      for (const Part& part : data.record(i).parts)
        line += text(line.empty() ? "" : " ", part_text(part));
      records.push_back(line);
    }
    return records;
  }

  static std::string part_text(const Part& part) {
    if (part.kind == PartKind::image) return text("image:", int{part.bytes[0]});
    if (part.kind == PartKind::audio) return text("audio:", part.shape[0]);
    if (part.kind == PartKind::video)
      return text("video:", part.shape[0], 'x', part.shape[1], 'x', part.shape[2]);
    const auto points = code_points(part.bytes.data(), part.dtype, part.shape[0]);
    return encode_utf8(std::u32string(points.begin(), points.end()));
  }

  TempFolder folder_;
  std::string out_ = folder_ / "out";
};

using Lines = std::vector<std::string>;

TEST_F(PackCommand, ImagesAndTheirWordsInBothDirections) {
  const std::string images = put("i.gz", gzip(encode_idx_images({4, 1, 1, {10, 20, 30, 40}})));
  const std::string labels = put("l.gz", gzip(encode_idx_labels(Bytes{0, 1, 1, 0})));
  const Lines input = {images, "--labels", labels, "--label-names", "bag,ankle boot"};
  const auto with = [&](const Lines& more) {
    Lines all = input;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  EXPECT_EQ(pack(with({"--split", "train", "--order", "both"})),
            "packed " + out_ +
                "\n  4 records: 4 train\n"
                "  parts: 4 text, 4 image; 10 symbols in texts; 1.1 MB in 1 shard\n");
  EXPECT_EQ(packed(Split::train),
            (Lines{"image:10 bag", "ankle boot image:20", "image:30 ankle boot", "bag image:40"}));
  pack(with({"--split", "train", "--order", "reversed"}));
  EXPECT_EQ(packed(Split::train)[0], "bag image:10");
  pack(with({"--split", "tail:0.5"}));
  EXPECT_EQ(packed(Split::train), (Lines{"image:10 bag", "image:20 ankle boot"}));
  EXPECT_EQ(packed(Split::valid), (Lines{"image:30 ankle boot", "image:40 bag"}));
}

TEST_F(PackCommand, BothDirectionsInEverySplit) {
  std::string list;
  for (const char* split : {"train", "valid", "train", "valid", "train", "valid"})
    list += text(R"({"parts": [{"text": "a"}, {"text": "b"}], "split": ")", split, "\"}\n");
  pack({put("pairs.jsonl", list), "--order", "both"});
  EXPECT_EQ(packed(Split::train), (Lines{"a b", "b a", "a b"}));
  EXPECT_EQ(packed(Split::valid), (Lines{"a b", "b a", "a b"}));
}

TEST_F(PackCommand, AListOfPairsWithPathsFromItsFolder) {
  put("x.png", encode_png({2, 1, Bytes{7, 7, 7, 8, 8, 8}}));
  put("x.wav", encode_wav({8000, {1, 2, 3}}));
  const std::string list = put("pairs.jsonl", R"({"parts": [{"file": "x.png"}, {"text": "caf)"
                                              "\u00e9"
                                              R"("}], "split": "test"}

{"parts": [{"file": "x.wav"}], "split": "valid"}
)");
  pack({list});
  EXPECT_EQ(packed(Split::test), Lines{"image:7 caf\u00e9"});
  EXPECT_EQ(packed(Split::valid), Lines{"audio:3"});
  EXPECT_EQ(Dataset({out_}, Split::valid).source(0), "pairs.jsonl:3");
}

TEST_F(PackCommand, LongAudioIsSkippedAndListedOrCut) {
  put("long.wav", encode_wav({8000, {1, 2, 3, 4, 5}}));
  put("short.wav", encode_wav({8000, {1, 2}}));
  const Lines input = {folder_.path(), "--ending", ".wav", "--split", "train"};
  Lines limited = input;
  limited.insert(limited.end(), {"--max-samples", "4"});
  const std::string printed = pack(limited);
  EXPECT_NE(printed.find("skipped: 1, listed with the reason in " + out_ + "/SKIPPED"),
            std::string::npos)
      << printed;
  EXPECT_EQ(packed(Split::train), Lines{"audio:2"});
  EXPECT_EQ(read_file(out_ + "/SKIPPED"), "long.wav: has 5 samples, the limit is 4\n");

  Lines cut = input;
  cut.insert(cut.end(), {"--cut-samples", "3"});
  pack(cut);
  EXPECT_EQ(packed(Split::train), (Lines{"audio:3", "audio:2"}));
}

TEST_F(PackCommand, SayingsBetweenLinesOfPercent) {
  pack({put("sayings", "one\n%\ntwo\nlines\n%\n"), "--records", "percent", "--split", "valid"});
  EXPECT_EQ(packed(Split::valid), (Lines{"one", "two\nlines"}));
}

TEST_F(PackCommand, LabelsNeedAnIdxFile) {
  const std::string labels = put("l", encode_idx_labels(Bytes{0}));
  const std::string words = put("words.txt", "words");
  const std::string message = message_of(
      [&] {
        pack({words, "--labels", labels});
      },
      ErrorKind::usage);
  ::testing::internal::GetCapturedStdout();
  EXPECT_NE(message.find(words + " is none"), std::string::npos) << message;
}

TEST_F(PackCommand, SoundsAtAnotherRate) {
  pack({put("a.wav", encode_wav({8000, std::vector<std::int16_t>(100, 5)})), "--split", "train",
        "--resample", "4000"});
  const Part part = Dataset({out_}, Split::train).record(0).parts[0];
  EXPECT_EQ(part.shape[0], 50U);
  EXPECT_EQ(part.rate[0], 4000U);
}

TEST_F(PackCommand, SingleImagesOfAnIdxFile) {
  put("i.gz", gzip(encode_idx_images({3, 1, 1, {10, 20, 30}})));
  const auto list = [&](const char* index) {
    return put("pairs.jsonl", text(R"({"parts": [{"text": "a"}, {"file": "i.gz", "index": )", index,
                                   R"(}], "split": "train"})"));
  };
  pack({list("2")});
  EXPECT_EQ(packed(Split::train), Lines{"a image:30"});
  const std::string message = message_of([&] { pack({list("3")}); }, ErrorKind::usage);
  ::testing::internal::GetCapturedStdout();
  expect_in("pairs.jsonl:1 names image 3 of " + (folder_ / "i.gz") + ", which holds 3", message);
}

TEST_F(PackCommand, TrainingSoundsAtSeveralSpeeds) {
  put("a.wav", encode_wav({8000, std::vector<std::int16_t>(90, 5)}));
  const std::string list = put("pairs.jsonl",
                               R"({"parts": [{"file": "a.wav"}, {"text": "x"}], "split": "train"}
{"parts": [{"text": "y"}, {"text": "z"}], "split": "train"}
{"parts": [{"file": "a.wav"}, {"text": "x"}], "split": "test"}
)");
  pack({list, "--speeds", "0.9,1,1.5"});
  EXPECT_EQ(packed(Split::train), (Lines{"audio:100 x", "audio:90 x", "audio:60 x", "y z"}));
  EXPECT_EQ(packed(Split::test), Lines{"audio:90 x"});  // what scores is as it was spoken
  EXPECT_EQ(Dataset({out_}, Split::train).record(0).parts[0].rate[0], 8000U);
}

TEST_F(PackCommand, SilenceBehindTrainingSounds) {
  put("a.wav", encode_wav({8000, std::vector<std::int16_t>(90, 5)}));
  const Lines input = {put("pairs.jsonl", R"({"parts": [{"file": "a.wav"}], "split": "train"})"),
                       "--speeds", "1,1,1,1,1,1,1,1", "--late", "20"};
  pack(input);
  const Lines first = packed(Split::train);
  EXPECT_GT(std::set<std::string>(first.begin(), first.end()).size(), 3U);  // of 8 fixed draws
  for (const std::string& sound : first) {
    const int samples = std::stoi(sound.substr(std::string("audio:").size()));
    EXPECT_GE(samples, 90);
    EXPECT_LE(samples, 110);
  }
  const Part part = Dataset({out_}, Split::train).record(0).parts[0];
  std::int16_t sample = 0;
  std::memcpy(&sample, part.bytes.data() + 2 * 89, 2);
  EXPECT_EQ(sample, 5);
  EXPECT_EQ(std::count(part.bytes.begin() + 2 * 90, part.bytes.end(), 0),
            std::ssize(part.bytes) - 2 * 90);
  pack(input);
  EXPECT_EQ(packed(Split::train), first);
}

TEST_F(PackCommand, LoudnessBeforeTrimming) {
  put("a.wav", encode_wav({8000, {1, 2, 100, -50, 2, 1}}));
  pack({put("list.jsonl", R"({"parts": [{"file": "a.wav"}], "split": "train"})"), "--normalize",
        "peak", "--trim", "--trim-level", "5"});
  const Part part = Dataset({out_}, Split::train).record(0).parts[0];
  std::vector<std::int16_t> samples(2);
  ASSERT_EQ(part.bytes.size(), 4U);  // 2 of 100 are below 5 % of the full scale
  std::memcpy(samples.data(), part.bytes.data(), 4);
  EXPECT_EQ(samples, (std::vector<std::int16_t>{29490, -14745}));
}

TEST_F(PackCommand, ImagesOfFewLevels) {
  const std::string images = put("i", encode_idx_images({4, 1, 1, {0, 127, 128, 255}}));
  pack({images, "--split", "train", "--image-levels", "2"});
  EXPECT_EQ(packed(Split::train), (Lines{"image:0", "image:0", "image:255", "image:255"}));
  pack({images, "--split", "train", "--image-levels", "4"});
  EXPECT_EQ(packed(Split::train), (Lines{"image:0", "image:85", "image:170", "image:255"}));
}

TEST_F(PackCommand, FilmsWithTheirSound) {
  if (!has_decoder()) GTEST_SKIP() << kNoDecoder;
  const std::string film = MediaFiles::get().path("film.mp4");
  pack({film, "--decoder", ORTHO_DECODE, "--split", "train", "--frame-size", "4x8",
        "--frames-per-second", "5", "--max-frames", "3", "--resample", "8000"});
  EXPECT_EQ(packed(Split::train), Lines{"video:3x4x8 audio:4800"});
  const Record record = Dataset({out_}, Split::train).record(0);
  EXPECT_EQ(record.parts[0].rate[0], 5U);
  EXPECT_EQ(record.parts[1].rate[0], 8000U);
}

// Text, image, sound and film side by side in one record; the film adds its own sound.
TEST_F(PackCommand, AListOfAllKinds) {
  if (!has_decoder()) GTEST_SKIP() << kNoDecoder;
  const MediaFiles& media = MediaFiles::get();
  put("a.jpg.gz", gzip(read_bytes(media.path("one.jpg"))));
  const std::string list =
      put("all.jsonl", text(R"({"parts": [{"text": "a"}, {"file": "a.jpg.gz"}, {"file": ")",
                            media.path("sound.flac"), R"("}, {"file": ")", media.path("film.gif"),
                            R"("}, {"file": ")", media.path("film.mp4"), "\"}]}"));
  pack({list, "--decoder", ORTHO_DECODE, "--split", "train", "--cut-samples", "7", "--image-size",
        "2x2", "--frame-size", "1x2"});
  const Lines records = packed(Split::train);
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].substr(0, 8), "a image:");
  EXPECT_NE(records[0].find("audio:7 video:10x1x2 video:10x1x2 audio:7"), std::string::npos)
      << records[0];
}

TEST_F(PackCommand, ABadMediaFileCostsItsRecordAlone) {
  if (!has_decoder()) GTEST_SKIP() << kNoDecoder;
  const Bytes jpeg = read_bytes(MediaFiles::get().path("one.jpg"));
  put("a.jpg", Bytes(jpeg.begin(), jpeg.begin() + 100));
  put("b.jpg", jpeg);
  pack({folder_.path(), "--ending", ".jpg", "--decoder", ORTHO_DECODE, "--keep-going", "--split",
        "train"});
  EXPECT_EQ(packed(Split::train).size(), 1U);
  const std::string skipped = read_file(out_ + "/SKIPPED");
  EXPECT_NE(skipped.find("a.jpg (JPEG) cannot be decoded: "), std::string::npos) << skipped;
}

}  // namespace
}  // namespace ortho
