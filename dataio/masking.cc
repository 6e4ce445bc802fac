#include "dataio/masking.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/random.h"
#include "dataio/words.h"

namespace ortho {

MaskDraw held_out_draw(std::uint64_t seed, std::int64_t sample) {
  const std::int64_t place = sample % kHeldOutGroup;
  return {seed, kHeldOutEpoch, sample - place, place, kHeldOutGroup};
}

std::int64_t masked_count(const MaskDraw& draw, std::int64_t tokens) {
  ASSERT(tokens >= 1 && draw.place >= 0 && draw.place < draw.group, tokens, " tokens, place ",
         draw.place, " of ", draw.group);
  const Random random(draw.seed, "mask/share", static_cast<std::uint64_t>(draw.epoch));
  const double start = random.uniform(static_cast<std::uint64_t>(draw.first));
  const double turn = start + static_cast<double>(draw.place) / static_cast<double>(draw.group);
  const double share = turn - std::floor(turn);
  return std::min(tokens, 1 + static_cast<std::int64_t>(share * static_cast<double>(tokens)));
}

std::vector<std::int64_t> masked_tokens(const MaskDraw& draw, std::int64_t tokens) {
  const std::int64_t count = masked_count(draw, tokens);
  const Random random(draw.seed, "mask/order", static_cast<std::uint64_t>(draw.epoch),
                      static_cast<std::uint64_t>(draw.first + draw.place));
  std::vector<std::int64_t> order(static_cast<size_t>(tokens));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  for (std::int64_t i = 0; i < count; ++i) {  // the first `count` of a shuffle
    const auto other =
        static_cast<size_t>(i) +
        random.below(static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(tokens - i));
    std::swap(order[static_cast<size_t>(i)], order[other]);
  }
  order.resize(static_cast<size_t>(count));
  return order;
}

Token masked(const Token& token) {
  Token mark = token;
  mark.modality = static_cast<std::int32_t>(Modality::query);
  mark.symbol = {token.modality, token.modality, 0};
  return mark;
}

void mask_window(const MaskDraw& draw, std::int64_t window, Batch& batch) {
  std::vector<size_t> rows;  // of the window's tokens
  for (std::int64_t t = 0; t < batch.tokens; ++t) {
    const auto row = static_cast<size_t>(t * batch.windows + window);
    batch.target[row] = {};
    if (batch.input[row].modality != 0) rows.push_back(row);
  }
  if (rows.empty()) return;
  for (const std::int64_t chosen : masked_tokens(draw, static_cast<std::int64_t>(rows.size()))) {
    const size_t row = rows[static_cast<size_t>(chosen)];
    Token& token = batch.input[row];
    batch.target[row] = {1, token.modality, token.symbol, token.place, token.item};
    forget_word(batch.input, batch.windows, static_cast<std::int64_t>(row));
    token = masked(token);
  }
}

}  // namespace ortho
