// Segments: runs of a window's tokens that know nothing of each other: several prompts in one window.
//
// The same in all windows of a batch. No tap leads across their bounds: the tokens before a
// segment's first count as before the window, and weights by position count from it. Each segment
// gets what it would get alone in a window. For causal wiring and without backward.
#pragma once

#include <span>
#include <vector>

#include "model/sharding.h"
#include "tensor/box.h"

namespace ortho {

// In order, all tokens of the window; none: the window is one.
using Segments = std::vector<Range>;

// The runs that begin at these tokens, 0 the first of them. Error(usage) if the model cannot keep
// them apart.
Segments segments_at(const ModelSpec& spec, const Sharding& sharding,
                     std::span<const std::int64_t> starts);

}  // namespace ortho
