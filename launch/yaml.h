// YAML files into ConfigNodes, each with its file and line. The only home of yaml-cpp.
//
// One document a file. Anchors, aliases and tags are refused:
// a config says what it means where it stands.
#pragma once

#include <string>

#include "core/config_node.h"

namespace ortho {

// Error(usage) names file, line and column when the text
// is no YAML or a key is no word. `file` is shown only.
ConfigNode parse_yaml(const std::string& source, const std::string& file);

}  // namespace ortho
