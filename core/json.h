// JSON: a strict reader (RFC 8259) into a ConfigNode, and a writer of one-line objects.
//
// One text holds one value. \u escapes may be surrogate pairs; half a pair, raw control characters,
// trailing commas and text behind the value are refused with their column. Bytes beyond ASCII pass
// as they are: whoever uses the text checks its UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/config_node.h"

namespace ortho {

// `file` and `line` become the place of every node; newlines inside count on. Error(data) names
// file:line and the column in bytes.
ConfigNode parse_json(std::string_view source, const std::string& file, int line = 1);

std::string json_string(std::string_view word);  // in quotes; bytes beyond ASCII stay as they are
std::string number_text(double x);  // the shortest text that reads back to the same bits

// One line of a .jsonl file, its members in the order they were added.
class JsonObject {
 public:
  // null when it is not finite: JSON has no NaN.
  JsonObject& add(const std::string& key, double value);
  JsonObject& add(const std::string& key, std::int64_t value);
  JsonObject& add(const std::string& key, const std::string& value);
  JsonObject& add(const std::string& key, const JsonObject& value);
  std::string text() const { return "{" + members_ + "}"; }

 private:
  JsonObject& member(const std::string& key, const std::string& value);
  std::string members_;
};

}  // namespace ortho
