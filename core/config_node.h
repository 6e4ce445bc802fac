// ConfigNode: one value of a config or list file:
// a scalar, a list or a map, with the place it stood.
//
// Readers of YAML and JSON produce this tree, core/fields.h consumes it,
// so no message is ever without file and line. Maps keep the order
// of the file and may hold a key twice: the consumer refuses that.
#pragma once

#include <string>
#include <vector>

namespace ortho {

struct ConfigEntry;

struct ConfigNode {
  enum class Kind { scalar, list, map };

  Kind kind = Kind::scalar;
  std::string value;                 // of a scalar; unquoted and empty or "null": nothing was given
  bool quoted = false;               // a scalar in quotes is a word, never a number, a flag or null
  std::vector<ConfigNode> items;     // of a list
  std::vector<ConfigEntry> entries;  // of a map
  std::string file;                  // "run.yaml", or "--set" for the command line
  int line = 0;                      // from 1; 0: the place has no lines

  bool is_null() const;
  std::string place() const;                             // "run.yaml:12"
  const ConfigNode* find(const std::string& key) const;  // of a map: the first; nullptr if absent
};

struct ConfigEntry {
  std::string key;
  int line = 0;
  ConfigNode value;
};

std::string kind_name(ConfigNode::Kind kind);  // "a list"

// Puts `value` at "stages.1.until.steps" below root, making maps on the way;
// list elements are numbered from 0 and must exist. Error(usage)
// when the path leads through a scalar or past a list's end.
void set_path(ConfigNode& root, const std::string& path, ConfigNode value);

// The member of `known` with the smallest edit distance
// to `word`; "" when none is near enough to be meant.
std::string nearest(const std::string& word, const std::vector<std::string>& known);

}  // namespace ortho
