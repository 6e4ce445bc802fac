#include "launch/run_file.h"

#include <utility>

#include "core/error.h"
#include "core/file.h"
#include "launch/yaml.h"

namespace ortho {

RunConfig read_run_file(const std::string& path, const std::vector<std::string>& settings) {
  ConfigNode root = parse_yaml(read_file(path), path);
  for (const auto& setting : settings) {
    const size_t equals = setting.find('=');
    REQUIRE(equals != std::string::npos && equals > 0, "--set ", setting,
            ": write it as --set optimizer.lr=0.002");
    const std::string place = text("--set ", setting);
    set_path(root, setting.substr(0, equals), parse_yaml(setting.substr(equals + 1), place));
  }
  return parse_config(root);
}

}  // namespace ortho
