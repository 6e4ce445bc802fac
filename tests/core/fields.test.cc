#include "core/fields.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/json.h"
#include "tests/support/errors.h"

namespace ortho {
namespace {

enum class Color { red, green };
constexpr Choice<Color> kColors[] = {{"red", Color::red}, {"green", Color::green}};

struct Inner {
  std::int64_t a = 1, b = 2;
  bool operator==(const Inner&) const = default;
};

struct Sample {
  bool flag = false;
  std::int64_t count = 5;
  double rate = 0.5;
  std::string word = "w";
  std::vector<std::int64_t> sizes = {1};
  std::vector<std::string> names;
  Color color = Color::red;
  std::vector<Color> colors = {Color::green};
  Inner kept, replaced;
  std::vector<Inner> many;
  bool operator==(const Sample&) const = default;
};

Fields fields(Inner& c) {
  return Fields().integer("a", c.a, kFromZero, "apples", "").integer("b", c.b, kFromZero, "", "");
}

Fields fields(Sample& c) {
  return Fields()
      .flag("flag", c.flag, "a flag")
      .integer("count", c.count, {1, 10}, "steps", "a count")
      .real("rate", c.rate, {0, 1, Limits::Open::lo}, "", "a rate")
      .word("word", c.word, "a word")
      .integers("sizes", c.sizes, kFromOne, "", "sizes")
      .words("names", c.names, "names")
      .choice("color", c.color, kColors, "a color")
      .choices("colors", c.colors, kColors, "colors")
      .group("kept", fields(c.kept), "kept")
      .group(
          "replaced", fields(c.replaced), "replaced",
          [&c] {
            c.replaced = {0, 0};
          },
          "auto")
      .groups(
          "many", [&c] { return c.many.size(); }, [&c](size_t i) { return fields(c.many[i]); },
          [&c] { return fields(c.many.emplace_back()); }, [&c] { c.many.clear(); }, "many");
}

Sample read(const std::string& source) {
  Sample sample;
  read_fields(fields(sample), parse_json(source, "f.yaml"));
  return sample;
}

std::string refusal(const std::string& source) {
  return message_of([&] { read(source); }, ErrorKind::usage);
}

TEST(Fields, ReadsEveryKind) {
  const Sample s = read(R"({"flag": true, "count": 10, "rate": 1e-3, "word": "x y", "sizes": [2, 3],
      "names": ["n", "m"], "color": "green", "colors": ["red", "green"], "kept": {"b": 7},
      "many": [{"a": 4}, {}]})");
  EXPECT_TRUE(s.flag);
  EXPECT_EQ(s.count, 10);
  EXPECT_EQ(s.rate, 1e-3);
  EXPECT_EQ(s.word, "x y");
  EXPECT_EQ(s.sizes, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(s.names, (std::vector<std::string>{"n", "m"}));
  EXPECT_EQ(s.color, Color::green);
  EXPECT_EQ(s.colors, (std::vector<Color>{Color::red, Color::green}));
  EXPECT_EQ(s.kept, (Inner{1, 7}));
  EXPECT_EQ(s.many, (std::vector<Inner>{{4, 2}, {1, 2}}));
}

TEST(Fields, WhatIsNotGivenStays) { EXPECT_EQ(read("{}"), Sample{}); }

TEST(Fields, GroupWithClearIsReplacedWhole) {
  EXPECT_EQ(read(R"({"replaced": {"b": 3}})").replaced, (Inner{0, 3}));
  EXPECT_EQ(read(R"({"replaced": "auto"})").replaced, (Inner{0, 0}));
}

TEST(Fields, OneWordStandsForAList) {
  EXPECT_EQ(read(R"({"names": "one"})").names, std::vector<std::string>{"one"});
}

TEST(Fields, AllMistakesAtOnceWithPlaceAndNearestKey) {
  const std::string all = refusal(
      "{\"cuont\": 3,\n\"kept\": {\"c\": 1},\n\"count\": 11,\n\"rate\": 0,\n\"qqqqq\": 1,\n"
      "\"color\": \"gren\",\n\"many\": [{\"a\": -1}]}");
  expect_in("7 mistakes:", all);
  expect_in("f.yaml:1: unknown field cuont; did you mean count?", all);
  expect_in("f.yaml:2: unknown field kept.c", all);
  expect_in("f.yaml:3: count is '11', but must be a whole number x with 1 <= x <= 10, in steps",
            all);
  expect_in("f.yaml:4: rate is '0', but must be a number x with 0 < x <= 1", all);
  expect_in("f.yaml:5: unknown field qqqqq; known here: [flag, count,", all);
  expect_in("f.yaml:6: color is 'gren', but must be one of [red, green]; did you mean green?", all);
  expect_in("f.yaml:7: many.0.a is '-1', but must be a whole number x with x >= 0, in apples", all);
}

TEST(Fields, Duplicates) {
  ConfigNode root = parse_json(R"({"count": 3})", "f.yaml");
  root.entries.push_back(root.entries.front());
  root.entries.back().line = 9;
  Sample sample;
  try {
    read_fields(fields(sample), root);
    FAIL() << "accepted";
  } catch (const Error& error) {
    expect_in("f.yaml:9: field count is given twice", error.what());
  }
}

TEST(Fields, WrongKinds) {
  expect_in("flag is 'yes', but must be true or false", refusal(R"({"flag": "yes"})"));
  expect_in("flag is 'true', but must be", refusal(R"({"flag": "true"})"));  // a word, not a flag
  expect_in("count is '3', but must be a whole number", refusal(R"({"count": "3"})"));
  expect_in("count is '3.5', but", refusal(R"({"count": 3.5})"));
  expect_in("count is '99999999999999999999', but", refusal(R"({"count": 99999999999999999999})"));
  expect_in("count is empty, but", refusal(R"({"count": null})"));
  expect_in("rate is a list, but", refusal(R"({"rate": [1]})"));
  expect_in("rate is '1e999', but", refusal(R"({"rate": 1e999})"));
  expect_in("word is a group of fields, but must be a word", refusal(R"({"word": {}})"));
  expect_in("sizes is '4', but must be a list, such as [4, 4]", refusal(R"({"sizes": 4})"));
  expect_in("sizes.1 is '0', but must be a whole number x with x >= 1",
            refusal(R"({"sizes": [1, 0]})"));
  expect_in("names.0 is a list, but must be a word", refusal(R"({"names": [[]]})"));
  expect_in("colors is 'blue', but must be one of [red, green]",
            refusal(R"({"colors": ["blue"]})"));
  expect_in("kept is '1', but must be a group of fields: [a, b]", refusal(R"({"kept": 1})"));
  expect_in("many is a group of fields, but must be a list", refusal(R"({"many": {}})"));
  expect_in("the file is a list, but must be a group of fields", refusal("[]"));
}

TEST(Fields, NonFiniteNumbersAreRefused) {
  ConfigNode root = parse_json(R"({"rate": 1})", "f.yaml");
  for (const char* word : {"nan", "inf", "-inf"}) {
    root.entries[0].value.value = word;
    Sample sample;
    EXPECT_THROW(read_fields(fields(sample), root), Error) << word;
  }
}

TEST(Fields, PrintsYaml) {
  Sample s;
  s.word = "true";  // must not read back as a flag
  s.names = {"plain/name.h5", "with space", ""};
  s.many = {{4, 5}, {6, 7}};
  EXPECT_EQ(print_fields(fields(s)),
            "flag: false\ncount: 5\nrate: 0.5\nword: \"true\"\nsizes: [1]\n"
            "names: [plain/name.h5, \"with space\", \"\"]\ncolor: red\ncolors: [green]\n"
            "kept:\n  a: 1\n  b: 2\nreplaced:\n  a: 1\n  b: 2\nmany:\n  - a: 4\n    b: 5\n"
            "  - a: 6\n    b: 7\n");
}

TEST(Fields, DescribesEveryField) {
  Sample s;
  const std::string help = describe_fields(fields(s));
  expect_in("  count = 5  (whole number, 1 <= x <= 10, in steps)\n      a count\n", help);
  expect_in("  color = red  (red | green)", help);
  expect_in("  colors = [green]  (list of red | green)", help);
  expect_in("  many.N.a = 1  (whole number, x >= 0, in apples)", help);
}

TEST(Fields, AFieldListedTwiceIsOurMistake) {
  bool x = false;
  Fields list;
  list.flag("x", x, "");
  EXPECT_THROW(list.flag("x", x, ""), Error);
}

}  // namespace
}  // namespace ortho
