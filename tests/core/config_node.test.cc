#include "core/config_node.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/json.h"
#include "tests/support/errors.h"

namespace ortho {
namespace {

ConfigNode json(const std::string& source) { return parse_json(source, "t.json"); }

std::string refusal(auto act) { return message_of(act, ErrorKind::usage); }

TEST(ConfigNode, SetPathReplacesAndAdds) {
  ConfigNode root = json(R"({"a": {"b": 1}, "list": [{"x": 1}, {"x": 2}]})");
  set_path(root, "a.b", json("7"));
  set_path(root, "a.c.d", json("[8]"));
  set_path(root, "list.1.x", json("9"));
  EXPECT_EQ(root.find("a")->find("b")->value, "7");
  EXPECT_EQ(root.find("a")->find("c")->find("d")->items.at(0).value, "8");
  EXPECT_EQ(root.find("list")->items.at(0).find("x")->value, "1");
  EXPECT_EQ(root.find("list")->items.at(1).find("x")->value, "9");
}

TEST(ConfigNode, SetPathMakesMapsWhereNothingIs) {
  ConfigNode root;
  set_path(root, "a.b", json("1"));
  EXPECT_EQ(root.find("a")->find("b")->value, "1");
  ConfigNode null = json(R"({"a": null})");
  set_path(null, "a.b", json("2"));
  EXPECT_EQ(null.find("a")->find("b")->value, "2");
}

TEST(ConfigNode, SetPathRefusesWrongWays) {
  ConfigNode root = json(R"({"a": 5, "list": [1, 2]})");
  EXPECT_NE(refusal([&] {
              set_path(root, "list.2", json("1"));
            }).find("2 is no element of the list at t.json:1, which has 2, counted from 0"),
            std::string::npos);
  EXPECT_NE(refusal([&] { set_path(root, "list.x", json("1")); }).find("x is no element"),
            std::string::npos);
  EXPECT_NE(refusal([&] {
              set_path(root, "a.b", json("1"));
            }).find("what holds 'b' is the single value '5' at t.json:1"),
            std::string::npos);
  EXPECT_NE(refusal([&] { set_path(root, "a..b", json("1")); }).find("empty step"),
            std::string::npos);
}

TEST(ConfigNode, NearestKnownWord) {
  EXPECT_EQ(nearest("chanels", {"hidden", "channels", "blocks"}), "channels");
  EXPECT_EQ(nearest("hiden", {"hidden", "channels"}), "hidden");
  EXPECT_EQ(nearest("lr", {"clip", "rl"}), "");  // two of two letters differ
  EXPECT_EQ(nearest("zebra", {"hidden", "lr"}), "");
  EXPECT_EQ(nearest("tokens", {"tokens"}), "tokens");
}

TEST(ConfigNode, NullIsOnlyUnquoted) {
  EXPECT_TRUE(json("null").is_null());
  EXPECT_FALSE(json("\"null\"").is_null());
  EXPECT_FALSE(json("\"\"").is_null());
  EXPECT_TRUE(ConfigNode{}.is_null());
}

}  // namespace
}  // namespace ortho
