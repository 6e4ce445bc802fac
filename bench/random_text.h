// A batch of text drawn by chance, for programs that time steps.
#pragma once

#include <cstdint>

#include "core/random.h"
#include "model/spec.h"
#include "tensor/token.h"

namespace ortho {

inline constexpr std::int64_t kBenchSymbols = 65;

inline Batch random_text(const ModelSpec& spec, std::int64_t windows) {
  Batch batch;
  batch.tokens = context(spec);
  batch.windows = windows;
  const Random random(1, "bench");
  const auto symbol = [&](std::uint64_t draw) {
    return static_cast<std::int32_t>(random.below(draw, kBenchSymbols));
  };
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(batch.tokens * windows); ++i) {
    batch.input.push_back({1, {symbol(2 * i)}, {}, 0});
    batch.target.push_back({1, 1, {symbol(2 * i + 1)}});
  }
  return batch;
}

}  // namespace ortho
