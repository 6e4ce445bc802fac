// The run file: YAML, then `--set a.b=value` over it, then RunConfig.
#pragma once

#include <string>
#include <vector>

#include "trainer/config.h"

namespace ortho {

// Each setting is "stages.1.until.steps=10"; the value is YAML:
// 3, word, [2, 2], {tokens: 768}. Error(usage).
RunConfig read_run_file(const std::string& path, const std::vector<std::string>& settings);

}  // namespace ortho
