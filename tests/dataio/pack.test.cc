#include "dataio/pack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "core/file.h"
#include "dataio/dataset.h"
#include "dataio/media/gzip.h"
#include "dataio/media/idx.h"
#include "dataio/media/png.h"
#include "tests/support/errors.h"
#include "tests/support/hostile.h"
#include "tests/support/make_data.h"
#include "tests/support/temp_folder.h"

namespace ortho {
namespace {

class PackTest : public ::testing::Test {
 protected:
  PackTest() { options_.output = out(); }

  std::string out() const { return folder_ / "packed"; }

  std::string put(const std::string& name, const std::string& content) const {
    const std::string path = folder_ / name;
    make_folder(std::filesystem::path(path).parent_path().string());
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  std::string put(const std::string& name, const Bytes& content) const {
    return put(name, std::string(content.begin(), content.end()));
  }

  std::vector<Record> packed(Split split) const {
    const Dataset data({out()}, split);
    std::vector<Record> records;
    for (std::int64_t i = 0; i < data.records(); ++i) records.push_back(data.record(i));
    return records;
  }

  // The texts of a split, in order.
  std::vector<std::string> texts(Split split) const {
    std::vector<std::string> out;
    for (const Record& record : packed(split))
      for (const Part& part : record.parts)
        if (part.kind == PartKind::text) {
          const auto points = code_points(part.bytes.data(), part.dtype, part.shape[0]);
          out.push_back(encode_utf8(std::u32string(points.begin(), points.end())));
        }
    return out;
  }

  // What pack complains about; nothing that looks like a data set may be left.
  std::string refusal(const std::vector<PackPath>& paths, const std::vector<PackItem>& items,
                      ErrorKind kind) const {
    const std::string message = message_of([&] { pack(paths, items, options_); }, kind);
    EXPECT_FALSE(file_exists(manifest_path(out())));
    if (file_exists(out())) {
      EXPECT_EQ(list_folder(out()), std::vector<std::string>{});
    }
    return message;
  }

  TempFolder folder_;
  PackRule options_;
};

using Texts = std::vector<std::string>;

TEST_F(PackTest, OneLongTextIsCutByPosition) {
  const std::string path = put("book.txt", std::string("abcdefgh\u20acj"));
  options_.split = split_rule_from("tail:0.2");
  const PackResult result = pack({{path, "", {}}}, {}, options_);
  EXPECT_EQ(texts(Split::train), Texts{"abcdefgh"});
  EXPECT_EQ(texts(Split::valid), Texts{"\u20acj"});
  EXPECT_EQ(packed(Split::train)[0].source, "book.txt");
  EXPECT_EQ(result.manifest.symbols,
            (std::vector<std::uint32_t>{'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'j', 0x20AC}));
  EXPECT_EQ(result.manifest.records[0], 1u);
  EXPECT_EQ(read_manifest(out()), result.manifest);
}

TEST_F(PackTest, RecordsOfATextFileAndLongOnesCut) {
  const std::string path = put("fortunes", std::string("one\n%\ntwo\nlines\n%\n"));
  options_.split = split_rule_from("train");
  options_.text_records = TextRecords::percent;
  options_.text_bytes = 4;
  pack({{path, "", {}}}, {}, options_);
  EXPECT_EQ(texts(Split::train), (Texts{"one", "two\n", "line", "s"}));
}

TEST_F(PackTest, AFolderIsReadInOrderWithoutHiddenFiles) {
  put("in/b.txt", std::string("bb"));
  put("in/a/z.txt", std::string("az"));
  put("in/.hidden/x.txt", std::string("no"));
  put("in/.x.txt", std::string("no"));
  put("in/c.dat", std::string("\xFF"));
  options_.split = split_rule_from("test");
  options_.endings = {".txt"};
  pack({{folder_ / "in", "", {}}}, {}, options_);
  EXPECT_EQ(texts(Split::test), (Texts{"az", "bb"}));
  EXPECT_EQ(packed(Split::test)[0].source, "a/z.txt");
}

TEST_F(PackTest, TheHashSplitKeepsSourcesTogetherAndIgnoresTheFolder) {
  for (const std::string in : {"here/", "there/"})
    for (int i = 0; i < 60; ++i) put(in + "file" + text(i), "text of " + text(i) + "\nsecond line");
  options_.split = split_rule_from("hash:0.3");
  options_.text_records = TextRecords::line;
  pack({{folder_ / "here", "", {}}}, {}, options_);
  const Texts held = texts(Split::valid);
  // 18 of 60 expected; the standard deviation is 3.5, and the outcome never changes.
  EXPECT_GT(held.size(), 2u * 8);
  EXPECT_LT(held.size(), 2u * 28);
  EXPECT_EQ(held.size() % 2, 0u);
  EXPECT_EQ(held.size() + texts(Split::train).size(), 120u);
  options_.replace = true;
  pack({{folder_ / "there", "", {}}}, {}, options_);
  EXPECT_EQ(texts(Split::valid), held);
}

TEST_F(PackTest, IdxImagesWithLabelsInWords) {
  const IdxImages images{3, 2, 2, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};
  const std::string image_path = put("images.gz", gzip(encode_idx_images(images)));
  const std::string label_path = put("labels", encode_idx_labels(Bytes{1, 0, 1}));
  options_.label_names = {"coat", "bag"};
  pack({{image_path, label_path, Split::test}}, {}, options_);
  EXPECT_EQ(texts(Split::test), (Texts{"bag", "coat", "bag"}));
  const auto records = packed(Split::test);
  EXPECT_EQ(records[1].parts[0].shape, (std::array<std::uint32_t, 4>{1, 2, 2, 3}));
  EXPECT_EQ(records[1].parts[0].bytes, (Bytes{5, 5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 8}));

  options_.replace = true;
  options_.label_names.clear();
  options_.split = split_rule_from("tail:0.4");
  pack({{image_path, label_path, {}}}, {}, options_);
  EXPECT_EQ(texts(Split::train), Texts{"1"});
  EXPECT_EQ(texts(Split::valid), (Texts{"0", "1"}));
}

TEST_F(PackTest, ItemsOfSeveralPartsAndAnImageSize) {
  const Image image{4, 2, Bytes(4 * 2 * 3, 90)};
  const std::string png = put("x.png", encode_png(image));
  const std::string wav = put("x.wav", encode_wav({8000, {0, 0, 5000, 1, -6000, 0}}));
  options_.import.image_height = 1;
  options_.import.image_width = 2;
  options_.import.trim = true;
  options_.import.cut_samples = 2;
  const PackItem item{{{PackPart::Kind::file, png},
                       {PackPart::Kind::text, "caf\u00e9"},
                       {PackPart::Kind::file, wav}},
                      Split::valid,
                      "pairs.jsonl line 1"};
  const PackResult result = pack({}, {item}, options_);
  const auto records = packed(Split::valid);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].source, "pairs.jsonl line 1");
  EXPECT_EQ(records[0].parts[0].bytes, Bytes(6, 90));
  EXPECT_EQ(texts(Split::valid), Texts{"caf\u00e9"});
  EXPECT_EQ(records[0].parts[2].shape[0], 2u);  // 5000 and 1: trimmed, then cut
  EXPECT_EQ(records[0].parts[2].bytes, (Bytes{0x88, 0x13, 1, 0}));
  EXPECT_EQ(result.manifest.audio_rates, (std::vector<std::array<std::uint32_t, 2>>{{8000, 1}}));
}

TEST_F(PackTest, ShardsAreClosedAtTheirSizeAndTheSameBytesComeOut) {
  for (int i = 0; i < 6; ++i) put("in/" + text(i), std::string(50'000, static_cast<char>('a' + i)));
  options_.split = split_rule_from("train");
  options_.shard.block_bytes = 1 << 16;
  options_.shard_bytes = 110'000;
  const PackResult result = pack({{folder_ / "in", "", {}}}, {}, options_);
  EXPECT_EQ(result.manifest.shards.size(), 3u);
  EXPECT_EQ(texts(Split::train).size(), 6u);
  EXPECT_EQ(list_folder(out()),
            (Texts{"MANIFEST", "shard-0000.h5", "shard-0001.h5", "shard-0002.h5"}));
  const std::string first = read_file(out() + "/MANIFEST");
  // HDF5 counts seconds: a time in the file would show.
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  options_.replace = true;
  pack({{folder_ / "in", "", {}}}, {}, options_);
  EXPECT_EQ(read_file(out() + "/MANIFEST"), first);  // it holds the shards' checksums
}

TEST_F(PackTest, AnExistingDataSetIsNotReplacedUnasked) {
  const std::string path = put("a.txt", std::string("abc"));
  options_.split = split_rule_from("train");
  pack({{path, "", {}}}, {}, options_);
  const std::string message = message_of(
      [&] {
        pack({{path, "", {}}}, {}, options_);
      },
      ErrorKind::usage);
  EXPECT_NE(message.find(out() + " already holds a data set"), std::string::npos) << message;
  EXPECT_EQ(texts(Split::train), Texts{"abc"});
}

TEST_F(PackTest, BadInputIsNamedAndLeavesNothing) {
  const std::string good = put("good.txt", std::string(200'000, 'x'));
  const std::string bad = put("bad.txt", std::string("ab\xC0"));
  options_.split = split_rule_from("train");
  options_.shard.block_bytes = 1 << 16;
  options_.shard_bytes = 1000;  // the good file's shard is closed before the bad file is read
  std::string message =
      refusal({{good, "", {}}, {good, "", {}}, {bad, "", {}}}, {}, ErrorKind::data);
  EXPECT_NE(message.find(bad + " is not valid UTF-8 at byte 2 (C0)"), std::string::npos) << message;

  make_folder(folder_ / "empty");
  message = refusal({{folder_ / "empty", "", {}}}, {}, ErrorKind::usage);
  EXPECT_NE(message.find(folder_ / "empty has no files"), std::string::npos) << message;
  message = refusal({{folder_ / "absent", "", {}}}, {}, ErrorKind::usage);
  EXPECT_NE(message.find(folder_ / "absent"), std::string::npos) << message;
  message = refusal({{put("zero.txt", std::string()), "", {}}}, {}, ErrorKind::data);
  EXPECT_NE(message.find("zero.txt is empty"), std::string::npos) << message;
  options_.decoder = folder_ / "nobody";
  const std::string jpeg("\xFF\xD8\xFF\xE0");
  message = refusal({{put("p.jpg", jpeg), "", {}}}, {}, ErrorKind::usage);
  expect_in("p.jpg is a JPEG file, and there is no program " + options_.decoder, message);
  message = refusal({{put("p.pdf", std::string("%PDF-1.4")), "", {}}}, {}, ErrorKind::data);
  expect_in("p.pdf is a PDF file, which cannot be read", message);
  message = refusal({{put("l", encode_idx_labels(Bytes{1})), "", {}}}, {}, ErrorKind::data);
  EXPECT_NE(message.find("IDX labels"), std::string::npos) << message;
  message = refusal({{put("n\xFF.txt", std::string("a")), "", {}}}, {}, ErrorKind::data);
  EXPECT_NE(message.find("the name of "), std::string::npos) << message;
  refusal({}, {}, ErrorKind::usage);
}

TEST_F(PackTest, AnOutputThatCannotBeMadeIsNamed) {
  const std::string path = put("a.txt", std::string("abc"));
  options_.output = path + "/below";  // a file is no folder
  const std::string message = message_of(
      [&] {
        pack({{path, "", {}}}, {}, options_);
      },
      ErrorKind::disk);
  EXPECT_NE(message.find(path + "/below"), std::string::npos) << message;
}

TEST_F(PackTest, IdxAndItemMistakesAreNamed) {
  const std::string images = put("i", encode_idx_images({2, 1, 1, {1, 2}}));
  const std::string three = put("l3", encode_idx_labels(Bytes{1, 2, 3}));
  const std::string two = put("l2", encode_idx_labels(Bytes{0, 7}));
  std::string message = refusal({{images, three, {}}}, {}, ErrorKind::data);
  EXPECT_NE(message.find(three + " has 3 labels, but " + images + " has 2 images"),
            std::string::npos)
      << message;
  options_.label_names = {"a", "b"};
  message = refusal({{images, two, {}}}, {}, ErrorKind::data);
  EXPECT_NE(message.find(two + " label 1 is 7, but only 2 label names"), std::string::npos)
      << message;
  message = refusal({}, {{{{PackPart::Kind::file, images}}, {}, "list line 3"}}, ErrorKind::data);
  EXPECT_NE(message.find("IDX file of many images"), std::string::npos) << message;
  refusal({}, {{{}, {}, "list line 3"}}, ErrorKind::usage);
  options_.split = split_rule_from("tail:0.1");
  message = refusal({}, {{{{PackPart::Kind::text, "a"}}, {}, "list line 3"}}, ErrorKind::usage);
  EXPECT_NE(message.find("list line 3 is one record and has no tail"), std::string::npos);
}

TEST_F(PackTest, GoingOnListsWhatWasSkipped) {
  put("in/bad.txt", std::string("ab\xC0"));
  put("in/good.txt", std::string("good"));
  put("in/bad.wav", std::string("RIFF    WAVEdata"));
  options_.split = split_rule_from("train");
  options_.keep_going = true;
  const PackResult result = pack({{folder_ / "in", "", {}}}, {}, options_);
  ASSERT_EQ(result.skipped.size(), 2u);
  EXPECT_EQ(result.skipped[0].name, "bad.txt");
  EXPECT_EQ(texts(Split::train), Texts{"good"});
  const std::string list = read_file(out() + "/SKIPPED");
  EXPECT_NE(list.find("bad.wav: "), std::string::npos) << list;
  EXPECT_NE(list.find("not valid UTF-8 at byte 2"), std::string::npos) << list;
  std::filesystem::remove(folder_ / "in/good.txt");
  options_.replace = true;
  const std::string message = message_of(
      [&] {
        pack({{folder_ / "in", "", {}}}, {}, options_);
      },
      ErrorKind::usage);
  EXPECT_NE(message.find("all 2 files were skipped"), std::string::npos) << message;
  EXPECT_FALSE(file_exists(manifest_path(out())));
}

TEST(SplitRules, WordsAreKnownOrRefused) {
  const SplitRule tail = split_rule_from("tail:0.25");
  EXPECT_EQ(tail.kind, SplitRule::Kind::tail);
  EXPECT_EQ(tail.held_out, 0.25);
  EXPECT_EQ(split_rule_from("valid").fixed, Split::valid);
  for (const std::string bad : {"tail:", "tail:1.5", "hash:x", "hash:0.1x", "half", "tail"})
    message_of([&] { split_rule_from(bad); }, ErrorKind::usage);
}

}  // namespace
}  // namespace ortho
