// Masking: which tokens of a window the diffusion objective hides, to be predicted from the others.
//
// Of a window's n tokens k are hidden, k uniform on 1 … n, chosen by a random permutation. The mean
// over the hidden ones, then over windows, is in expectation the cross-entropy of the tokens in a
// random order, one after the other: an upper bound of their negative log-likelihood, in nats a
// token. Masks are functions of (seed, epoch, sample), so no mesh changes them.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/token.h"

namespace ortho {

// What a window's mask is drawn by. Windows of one group differ in `place` alone, and their k / n
// are spread evenly over (0, 1], each still uniform by itself: less noise than independent draws.
struct MaskDraw {
  std::uint64_t seed = 0;
  std::int64_t epoch = 0;
  std::int64_t first = 0;             // number of the group's first sample in the epoch
  std::int64_t place = 0, group = 1;  // 0 <= place < group
};

constexpr std::int64_t kHeldOutEpoch = -1;  // of windows that are scored, not trained on
constexpr std::int64_t kHeldOutGroup = 64;

MaskDraw held_out_draw(std::uint64_t seed, std::int64_t sample);

std::int64_t masked_count(const MaskDraw& draw, std::int64_t tokens);  // k of n = tokens >= 1
// Which ones, each of 0 … tokens - 1, in the order of the permutation.
std::vector<std::int64_t> masked_tokens(const MaskDraw& draw, std::int64_t tokens);

// A query mark that keeps the token's place and item, and says which modality it hides.
Token masked(const Token& token);

// Hides tokens of column `window`, which must predict what they were; nothing else there is scored.
void mask_window(const MaskDraw& draw, std::int64_t window, Batch& batch);

}  // namespace ortho
