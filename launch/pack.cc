#include "dataio/pack.h"

#include <cstdio>

#include "core/error.h"
#include "dataio/pack_list.h"
#include "launch/commands.h"
#include "launch/describe_data.h"
#include "launch/program_path.h"

namespace ortho {

int run_pack(const PackOptions& options) {
  std::vector<PackPath> paths;
  std::vector<PackItem> items;
  for (const std::string& input : options.inputs) {
    if (input.ends_with(".jsonl")) {
      const auto listed = read_pack_list(input);
      items.insert(items.end(), listed.begin(), listed.end());
    } else {
      paths.push_back({input, options.labels, {}});
    }
  }
  PackRule rule = options.rule;
  rule.decoder = options.decoder.empty() ? program_beside("orthotope-decode") : options.decoder;
  const PackResult result = pack(paths, items, rule);
  std::string summary = text("packed ", options.rule.output, '\n');
  summary += describe_manifest(result.manifest);
  if (!result.skipped.empty())
    summary += text("  skipped: ", result.skipped.size(), ", listed with the reason in ",
                    options.rule.output, "/SKIPPED\n");
  std::fputs(summary.c_str(), stdout);
  return 0;
}

}  // namespace ortho
