#include "launch/yaml.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/errors.h"

namespace ortho {
namespace {

std::string refusal(const std::string& source) {
  return message_of([&] { parse_yaml(source, "run.yaml"); }, ErrorKind::usage);
}

TEST(Yaml, KeepsKindsOrderQuotesAndLines) {
  const ConfigNode root = parse_yaml("b: 1\na:\n  - x\n  - 'y'\n  - {k: v}\nc:\n", "run.yaml");
  ASSERT_EQ(root.kind, ConfigNode::Kind::map);
  ASSERT_EQ(root.entries.size(), 3u);
  EXPECT_EQ(root.entries[0].key, "b");
  EXPECT_EQ(root.entries[0].value.value, "1");
  const ConfigNode& list = root.entries[1].value;
  ASSERT_EQ(list.items.size(), 3u);
  EXPECT_FALSE(list.items[0].quoted);
  EXPECT_TRUE(list.items[1].quoted);
  EXPECT_EQ(list.items[1].place(), "run.yaml:4");
  EXPECT_EQ(list.items[2].find("k")->value, "v");
  EXPECT_EQ(root.entries[2].line, 6);
  EXPECT_TRUE(root.entries[2].value.is_null());
}

TEST(Yaml, KeepsKeysGivenTwice) {
  const ConfigNode root = parse_yaml("a: 1\nb: 2\na: 3\n", "run.yaml");
  ASSERT_EQ(root.entries.size(), 3u);
  EXPECT_EQ(root.entries[2].key, "a");
  EXPECT_EQ(root.entries[2].line, 3);
}

TEST(Yaml, AnEmptyFileHoldsNothing) {
  EXPECT_TRUE(parse_yaml("", "run.yaml").is_null());
  EXPECT_TRUE(parse_yaml("# a comment\n", "run.yaml").is_null());
}

TEST(Yaml, RefusesBadSyntaxWithItsPlace) {
  expect_in("run.yaml:3: column 1", refusal("a: 1\nb: [1, 2\n"));  // where it ends unfinished
  expect_in("no valid YAML", refusal("a: b: c\n"));
  expect_in("run.yaml:2", refusal("a: 1\n\tb: 2\n"));
}

TEST(Yaml, RefusesWhatHidesItsMeaning) {
  expect_in("run.yaml:1: anchors", refusal("a: &x 1\n"));
  expect_in("anchors", refusal("a: &x [1]\nb: *x\n"));
  expect_in("run.yaml:1: tag", refusal("a: !!int 1\n"));
  expect_in("more than one YAML document", refusal("a: 1\n---\nb: 2\n"));
  expect_in("the name of a field must be a word", refusal("[1, 2]: 3\n"));
  expect_in("nested deeper than 64", refusal(std::string(200, '[') + std::string(200, ']')));
}

}  // namespace
}  // namespace ortho
