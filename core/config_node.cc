#include "core/config_node.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace ortho {
namespace {

// Levenshtein: insertions, deletions and exchanges of one letter.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t exchange = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, exchange});
    }
  }
  return row.back();
}

// A node that holds nothing, at the place of `other`.
ConfigNode nothing_at(const ConfigNode& other) {
  ConfigNode node;
  node.file = other.file;
  node.line = other.line;
  return node;
}

// The element of `list` that `step` numbers.
ConfigNode& list_element(ConfigNode& list, const std::string& step, const std::string& path) {
  const bool digits = !step.empty() && step.size() < 10 &&
                      step.find_first_not_of("0123456789") == std::string::npos;
  const size_t index = digits ? std::stoul(step) : list.items.size();
  REQUIRE(index < list.items.size(), path, ": ", step, " is no element of the list at ",
          list.place(), ", which has ", list.items.size(), ", counted from 0");
  return list.items[index];
}

ConfigNode& map_member(ConfigNode& map, const std::string& step, const ConfigNode& value) {
  for (auto& entry : map.entries)
    if (entry.key == step) return entry.value;
  map.entries.push_back({step, value.line, nothing_at(value)});
  return map.entries.back().value;
}

}  // namespace

bool ConfigNode::is_null() const {
  return kind == Kind::scalar && !quoted && (value.empty() || value == "null" || value == "~");
}

std::string ConfigNode::place() const { return line > 0 ? text(file, ':', line) : file; }

const ConfigNode* ConfigNode::find(const std::string& key) const {
  for (const auto& entry : entries)
    if (entry.key == key) return &entry.value;
  return nullptr;
}

std::string kind_name(ConfigNode::Kind kind) {
  switch (kind) {
    case ConfigNode::Kind::scalar:
      return "a single value";
    case ConfigNode::Kind::list:
      return "a list";
    case ConfigNode::Kind::map:
      return "a group of fields";
  }
  return "";
}

void set_path(ConfigNode& root, const std::string& path, ConfigNode value) {
  ConfigNode* at = &root;
  size_t begin = 0;
  while (begin <= path.size()) {
    const size_t end = std::min(path.find('.', begin), path.size());
    const std::string step = path.substr(begin, end - begin);
    REQUIRE(!step.empty(), "'", path, "' has an empty step; write it as stages.1.until.steps");
    if (at->is_null()) {
      *at = nothing_at(*at);
      at->kind = ConfigNode::Kind::map;
    }
    REQUIRE(at->kind != ConfigNode::Kind::scalar, "cannot set ", path, ": what holds '", step,
            "' is the single value '", at->value, "' at ", at->place());
    at = at->kind == ConfigNode::Kind::list ? &list_element(*at, step, path)
                                            : &map_member(*at, step, value);
    begin = end + 1;
  }
  *at = std::move(value);
}

std::string nearest(const std::string& word, const std::vector<std::string>& known) {
  std::string best;
  // Half of the letters wrong, or more than three, is another word.
  size_t limit = std::min<size_t>(word.size() / 2, 3) + 1;
  for (const auto& candidate : known) {
    const size_t distance = edit_distance(word, candidate);
    if (distance < limit) {
      limit = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace ortho
