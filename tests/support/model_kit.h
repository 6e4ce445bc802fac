// A small model with random weights and a random batch, for tests of the model floor.
#pragma once

#include <memory>

#include "model/model.h"

namespace ortho {

template <class T>
struct ModelKit {
  ModelKit(const ModelSpec& spec, std::int64_t windows, std::uint64_t seed)
      : params(param_specs(spec)),
        backend(make_cpu_backend<T>(1)),
        model(spec, windows, params, *backend, arena) {
    // Every weight random, gains and zero-initialised
    // tables too, so that no gradient is trivially zero.
    for (Param<T>& param : params.all()) {
      const Random random(seed, "kit/" + param.spec.name);
      const double middle = param.spec.role == Role::gain ? 1.0 : 0.0;
      const double scale = param.spec.init.fill == Initial::normal ? param.spec.init.std : 0.3;
      for (std::int64_t i = 0; i < param.size; ++i)
        param.value[i] =
            static_cast<T>(middle + scale * random.normal(static_cast<std::uint64_t>(i)));
    }
  }
  Params<T> params;
  std::unique_ptr<Backend<T>> backend;
  Arena<T> arena;
  Model<T> model;
};

// Tokens of every modality the spec reads, some padding,
// some query slots; about two thirds are scored.
inline Batch random_batch(const ModelSpec& spec, std::int64_t windows, std::uint64_t seed) {
  Batch batch;
  batch.tokens = context(spec);
  batch.windows = windows;
  const Random random(seed, "batch");
  std::uint64_t draw = 0;
  const auto below = [&](std::int64_t n) {
    return static_cast<std::int32_t>(random.below(draw++, static_cast<std::uint64_t>(n)));
  };
  const auto symbols = [&](std::int32_t modality) {
    std::array<std::int32_t, 3> s{};
    if (modality == 1) s[0] = below(spec.text_symbols);
    if (modality == 2) s = {below(kPixelLevels), below(kPixelLevels), below(kPixelLevels)};
    if (modality == 3) s[0] = below(spec.audio_levels);
    return s;
  };
  const auto count = static_cast<std::int64_t>(spec.modalities.size());
  for (std::int64_t i = 0; i < batch.tokens * windows; ++i) {
    Token token;
    if (below(6) != 0) {
      token.modality =
          static_cast<std::int32_t>(spec.modalities[static_cast<size_t>(below(count))]);
      token.symbol = symbols(token.modality);
      token.place = {below(9), below(9), below(3)};
      token.item = below(3);
      if (below(7) == 0)
        token.modality = static_cast<std::int32_t>(Modality::query), token.symbol = {};
    }
    batch.input.push_back(token);
    Target target;
    target.scored = below(3) != 0;
    const bool end = spec.modality_head && below(8) == 0;
    if (!end)
      target.modality =
          static_cast<std::int32_t>(spec.modalities[static_cast<size_t>(below(count))]);
    target.symbol = symbols(target.modality);
    batch.target.push_back(target);
  }
  return batch;
}

}  // namespace ortho
