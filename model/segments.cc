#include "model/segments.h"

#include <algorithm>

#include "core/error.h"

namespace ortho {

Segments segments_at(const ModelSpec& spec, const Sharding& sharding,
                     std::span<const std::int64_t> starts) {
  REQUIRE(spec.wiring == Wiring::causal,
          "several prompts in one window need wiring: causal; in a grid they share lines and would "
          "read each other. Give each a window of its own.");
  const std::vector<int>& cuts = sharding.cuts().tokens;
  REQUIRE(
      std::all_of(cuts.begin(), cuts.end(), [](int parts) { return parts == 1; }),
      "several prompts in one window need whole windows on each rank; the mesh cuts token axes ",
      list_text(cuts), ". Use one rank, or a mesh that cuts channels.");
  const std::int64_t tokens = context(spec);
  Segments segments;
  for (size_t i = 0; i < starts.size(); ++i) {
    segments.push_back({starts[i], i + 1 < starts.size() ? starts[i + 1] : tokens});
    REQUIRE(segments.back().size() > 0 && (i > 0 || starts[i] == 0),
            "prompts that begin at tokens ",
            list_text(std::vector<std::int64_t>(starts.begin(), starts.end())), " of ", tokens,
            ": the first begins at 0, each behind the one before it");
  }
  return segments;
}

}  // namespace ortho
