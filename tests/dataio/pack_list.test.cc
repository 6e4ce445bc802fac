#include "dataio/pack_list.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/errors.h"
#include "tests/support/hostile.h"
#include "tests/support/temp_folder.h"

namespace ortho {
namespace {

class PackList : public ::testing::Test {
 protected:
  std::string put(const std::string& content) const {
    std::ofstream(folder_ / "pairs.jsonl", std::ios::binary) << content;
    return folder_ / "pairs.jsonl";
  }

  // What is said of a list whose second line is `line`; it must name that line.
  std::string refusal(const std::string& line, ErrorKind kind) const {
    const std::string list = put("{\"parts\": [{\"text\": \"good\"}]}\n" + line + "\n");
    const std::string message = message_of([&] { read_pack_list(list); }, kind);
    EXPECT_NE(message.find(list + ":2: "), std::string::npos) << message;
    return message;
  }

  TempFolder folder_;
};

TEST_F(PackList, ARecordALine) {
  const auto items = read_pack_list(put(
      "{\"parts\": [{\"file\": \"a/x.png\"}, {\"text\": \"caf\\u00e9\"}], \"split\": \"test\"}\n"
      "\r\n"
      "{\"parts\": [{\"file\": \"/abs.wav\"}]}\r\n"));
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(items[0].source, "pairs.jsonl:1");
  EXPECT_EQ(items[0].split, Split::test);
  ASSERT_EQ(items[0].parts.size(), 2u);
  EXPECT_EQ(items[0].parts[0].kind, PackPart::Kind::file);
  EXPECT_EQ(items[0].parts[0].value, folder_ / "a/x.png");  // from the list's folder
  EXPECT_EQ(items[0].parts[1].kind, PackPart::Kind::text);
  EXPECT_EQ(items[0].parts[1].value, "caf\u00e9");
  EXPECT_EQ(items[1].source, "pairs.jsonl:3");
  EXPECT_EQ(items[1].split, std::nullopt);
  EXPECT_EQ(items[1].parts[0].value, "/abs.wav");
}

TEST_F(PackList, OneImageOfAnIdxFile) {
  const auto items =
      read_pack_list(put("{\"parts\": [{\"file\": \"i.gz\", \"index\": 3}, {\"file\": \"b\"}]}"));
  EXPECT_EQ(items[0].parts[0].value, folder_ / "i.gz");
  EXPECT_EQ(items[0].parts[0].index, 3);
  EXPECT_EQ(items[0].parts[1].index, std::nullopt);
  expect_in("part 1 has an \"index\", which belongs to a \"file\"",
            refusal(R"({"parts": [{"text": "a", "index": 0}]})", ErrorKind::usage));
  expect_in("index", refusal(R"({"parts": [{"file": "a", "index": -2}]})", ErrorKind::usage));
}

TEST_F(PackList, MistakesNameTheirLine) {
  expect_in("unknown field parts.0.txt; did you mean text?",
            refusal(R"({"parts": [{"txt": "a"}]})", ErrorKind::usage));
  expect_in("unknown field spilt; did you mean split?",
            refusal(R"({"parts": [{"text": "a"}], "spilt": "test"})", ErrorKind::usage));
  expect_in("part 2 needs one of \"file\" and \"text\"",
            refusal(R"({"parts": [{"text": "a"}, {"text": "a", "file": "b"}]})", ErrorKind::usage));
  expect_in("part 1 needs one of", refusal(R"({"parts": [{"text": ""}]})", ErrorKind::usage));
  expect_in("no parts", refusal(R"({"parts": []})", ErrorKind::usage));
  expect_in("no parts", refusal(R"({"split": "test"})", ErrorKind::usage));
  expect_in("one of [train, valid, test]",
            refusal(R"({"parts": [{"text": "a"}], "split": "dev"})", ErrorKind::usage));
  expect_in("no valid JSON", refusal(R"({"parts": [{"text": "a"},]})", ErrorKind::data));
  refusal("[]", ErrorKind::usage);
}

TEST_F(PackList, AnEmptyListIsNamed) {
  const std::string list = put("\n\n");
  expect_in(list + " lists no record", message_of([&] { read_pack_list(list); }, ErrorKind::usage));
}

}  // namespace
}  // namespace ortho
