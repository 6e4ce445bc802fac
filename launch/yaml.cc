#include "launch/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "core/error.h"

namespace ortho {
namespace {

constexpr size_t kDeepest = 64;  // levels of nesting: hostile input must not exhaust the stack

// Builds the tree from yaml-cpp's events, which carry
// the line of every value, keys given twice included.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const std::string& file) : file_(file) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    put(node_at(mark));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    // yaml-cpp tags a quoted scalar "!" and a plain one "?".
    refuse_tag(mark, tag);
    ConfigNode node = node_at(mark);
    node.value = value;
    node.quoted = tag == "!";
    put(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    open(mark, ConfigNode::Kind::list);
  }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    open(mark, ConfigNode::Kind::map);
  }

  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

  ConfigNode take() { return std::move(root_); }

 private:
  struct Level {
    ConfigNode node;
    std::optional<ConfigNode> key;  // of a map: read, its value still to come
  };

  std::string place(const YAML::Mark& mark) const { return text(file_, ':', mark.line + 1); }

  ConfigNode node_at(const YAML::Mark& mark) const {
    ConfigNode node;
    node.file = file_;
    node.line = mark.line + 1;
    return node;
  }

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) const {
    REQUIRE(anchor == YAML::NullAnchor, place(mark),
            ": anchors (&) and aliases (*) are not supported; write the value out");
  }

  void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    REQUIRE(tag.empty() || tag == "?" || tag == "!", place(mark), ": tag ", tag,
            " is not supported; leave it out");
  }

  void open(const YAML::Mark& mark, ConfigNode::Kind kind) {
    REQUIRE(levels_.size() < kDeepest, place(mark), ": nested deeper than ", kDeepest, " levels");
    Level level{node_at(mark), std::nullopt};
    level.node.kind = kind;
    levels_.push_back(std::move(level));
  }

  void close() {
    ConfigNode node = std::move(levels_.back().node);
    levels_.pop_back();
    put(std::move(node));
  }

  // Hands a finished node to the list or map that is open around it.
  void put(ConfigNode node) {
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = levels_.back();
    if (level.node.kind == ConfigNode::Kind::list) {
      level.node.items.push_back(std::move(node));
    } else if (!level.key) {
      REQUIRE(node.kind == ConfigNode::Kind::scalar, node.place(),
              ": the name of a field must be a ", "word, not ", kind_name(node.kind));
      level.key = std::move(node);
    } else {
      level.node.entries.push_back({level.key->value, level.key->line, std::move(node)});
      level.key.reset();
    }
  }

  const std::string& file_;
  std::vector<Level> levels_;
  ConfigNode root_;
};

}  // namespace

ConfigNode parse_yaml(const std::string& source, const std::string& file) {
  std::istringstream stream(source);
  TreeBuilder builder(file);
  try {
    YAML::Parser parser(stream);
    ConfigNode root;
    root.file = file;
    if (!parser.HandleNextDocument(builder)) return root;
    root = builder.take();
    REQUIRE(!parser.HandleNextDocument(builder), file, ": holds more than one YAML document");
    return root;
  } catch (const YAML::Exception& error) {
    fail(ErrorKind::usage, text(file, ':', error.mark.line + 1, ": column ", error.mark.column + 1,
                                ": no valid YAML: ", error.msg));
  }
}

}  // namespace ortho
