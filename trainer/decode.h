// Decode: one symbol from a row of logits: greedy, or drawn with temperature, top-k and top-p.
//
// top-p: Holtzman et al., "The curious case of neural text degeneration",
// 2020. A pure function of the logits and one uniform number.
#pragma once

#include <cstdint>
#include <span>

namespace ortho {

struct DecodeRule {
  double temperature = 1.0;  // 0: the largest logit
  std::int64_t top_k = 0;    // 0: all
  double top_p = 1.0;        // smallest set of symbols with at least this probability
  std::uint64_t seed = 1;
};

// `uniform` in [0, 1). Logits of -infinity are never chosen.
std::int32_t choose_symbol(std::span<const float> logits, const DecodeRule& rule, double uniform);

}  // namespace ortho
