#include "core/json.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "core/error.h"
#include "tests/support/errors.h"

namespace ortho {
namespace {

std::string string_of(const std::string& source) { return parse_json(source, "l.jsonl").value; }

std::string refusal(const std::string& source) {
  return message_of([&] { parse_json(source, "l.jsonl", 7); }, ErrorKind::data);
}

TEST(Json, ReadsEveryKindOfValue) {
  const ConfigNode node = parse_json(
      R"( {"parts": [{"file": "a.png"}, {"text": "ankle boot"}], "n": -1.5e+3, "t": true, "e": {}, "l": []} )",
      "l.jsonl", 3);
  ASSERT_EQ(node.kind, ConfigNode::Kind::map);
  EXPECT_EQ(node.place(), "l.jsonl:3");
  const auto& parts = node.find("parts")->items;
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].find("file")->value, "a.png");
  EXPECT_EQ(parts[1].find("text")->value, "ankle boot");
  EXPECT_TRUE(parts[1].find("text")->quoted);
  EXPECT_EQ(node.find("n")->value, "-1.5e+3");
  EXPECT_FALSE(node.find("n")->quoted);
  EXPECT_EQ(node.find("t")->value, "true");
  EXPECT_TRUE(node.find("e")->entries.empty());
  EXPECT_TRUE(node.find("l")->items.empty());
}

TEST(Json, CountsLines) {
  const ConfigNode node = parse_json("{\n\"a\":\n1}", "f", 1);
  EXPECT_EQ(node.entries.at(0).line, 2);
  EXPECT_EQ(node.entries.at(0).value.line, 3);
}

TEST(Json, DecodesEscapes) {
  EXPECT_EQ(string_of(R"("\"\\\/\b\f\n\r\t")"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(string_of(R"("\u0041")"), "A");
  EXPECT_EQ(string_of(R"("\u00e9")"), "\xc3\xa9");
  EXPECT_EQ(string_of(R"("\u20AC")"), "\xe2\x82\xac");
  EXPECT_EQ(string_of(R"("\ud83d\ude00!")"), "\xf0\x9f\x98\x80!");  // U+1F600
  EXPECT_EQ(string_of(R"("\uDBFF\uDFFF")"), "\xf4\x8f\xbf\xbf");    // U+10FFFF, the last one
  EXPECT_EQ(string_of("\"\xc3\xa9\""), "\xc3\xa9");
  EXPECT_EQ(string_of(R"("\u0000")"), std::string(1, '\0'));
}

TEST(Json, RefusesHalfSurrogatePairs) {
  for (const char* source : {R"("\ud83d")", R"("\ud83dx")", R"("\ud83d\n")", R"("\ud83d\u0041")"})
    EXPECT_NE(refusal(source).find("first half of a surrogate pair"), std::string::npos) << source;
  EXPECT_NE(refusal(R"("\ude00")").find("second half"), std::string::npos);
}

TEST(Json, RefusesWhatIsNoJson) {
  for (const char* source :
       {"",         "{",   "[1,]", "{\"a\":1,}", "{a: 1}", "{'a': 1}", "[1 2]",       "01",
        "1.",       ".5",  "+1",   "1e",         "--1",    "\"\\x\"",  "\"\\u12g4\"", "\"abc",
        "\"a\nb\"", "tru", "1 2",  "{\"a\" 1}",  "nan",    "-"})
    EXPECT_NE(refusal(source).find("l.jsonl:7: column "), std::string::npos) << source;
}

TEST(Json, NamesTheColumn) {
  EXPECT_NE(refusal("[1, 2,, 3]").find("l.jsonl:7: column 7: no valid JSON: expected a value"),
            std::string::npos)
      << refusal("[1, 2,, 3]");
}

TEST(Json, RefusesDuplicateKeys) {
  EXPECT_NE(refusal(R"({"a": 1, "a": 2})").find("\"a\" is given twice"), std::string::npos);
}

TEST(Json, RefusesDeepNesting) {
  EXPECT_NE(refusal(std::string(100000, '[')).find("nested deeper than 64"), std::string::npos);
}

TEST(Json, StringsReadBack) {
  std::string all;
  for (int c = 0; c < 128; ++c) all += static_cast<char>(c);
  all += "\xf0\x9f\x98\x80";
  const std::string written = json_string(all);
  EXPECT_EQ(written.find('\n'), std::string::npos);
  EXPECT_EQ(string_of(written), all);
}

TEST(Json, NumbersReadBackToTheSameBits) {
  for (const double x : {0.1, 4e-3, 1.0 / 3, 1e300, 5e-324, -0.0})
    EXPECT_EQ(std::bit_cast<std::uint64_t>(std::strtod(number_text(x).c_str(), nullptr)),
              std::bit_cast<std::uint64_t>(x))
        << number_text(x);
  EXPECT_EQ(number_text(0.004), "0.004");
}

TEST(Json, ObjectOnOneLine) {
  const std::string line = JsonObject()
                               .add("step", std::int64_t{3})
                               .add("loss", 1.5)
                               .add("name", "a\"b")
                               .add("bad", std::nan(""))
                               .add("terms", JsonObject().add("text", 0.25))
                               .text();
  EXPECT_EQ(line,
            R"({"step": 3, "loss": 1.5, "name": "a\"b", "bad": null, "terms": {"text": 0.25}})");
  EXPECT_EQ(JsonObject().add("x", std::numeric_limits<double>::infinity()).text(),
            R"({"x": null})");
  EXPECT_EQ(parse_json(line, "f").find("terms")->find("text")->value, "0.25");
}

}  // namespace
}  // namespace ortho
