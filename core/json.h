// JSON: a strict reader (RFC 8259) into a ConfigNode, and the writer of its strings.
//
// One text holds one value. \u escapes may be surrogate pairs; half a pair, raw control characters,
// trailing commas and text behind the value are refused with their column. Bytes beyond ASCII pass
// as they are: whoever uses the text checks its UTF-8.
#pragma once

#include <string>
#include <string_view>

#include "core/config_node.h"

namespace ortho {

// `file` and `line` become the place of every node; newlines inside count on. Error(data) names
// file:line and the column in bytes.
ConfigNode parse_json(std::string_view source, const std::string& file, int line = 1);

std::string json_string(std::string_view word);  // in quotes; bytes beyond ASCII stay as they are

}  // namespace ortho
