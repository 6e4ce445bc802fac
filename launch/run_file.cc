#include "launch/run_file.h"

#include <utility>

#include "core/error.h"
#include "core/file.h"
#include "launch/yaml.h"

namespace ortho {
namespace {

// The command line has no lines: messages show the setting alone.
void forget_lines(ConfigNode& node) {
  node.line = 0;
  for (auto& item : node.items) forget_lines(item);
  for (auto& entry : node.entries) {
    entry.line = 0;
    forget_lines(entry.value);
  }
}

}  // namespace

RunConfig read_run_file(const std::string& path, const std::vector<std::string>& settings) {
  ConfigNode root = parse_yaml(read_file(path), path);
  for (const auto& setting : settings) {
    const size_t equals = setting.find('=');
    REQUIRE(equals != std::string::npos && equals > 0, "--set ", setting,
            ": write it as --set optimizer.lr=0.002");
    ConfigNode value = parse_yaml(setting.substr(equals + 1), text("--set ", setting));
    forget_lines(value);
    set_path(root, setting.substr(0, equals), std::move(value));
  }
  return parse_config(root);
}

}  // namespace ortho
