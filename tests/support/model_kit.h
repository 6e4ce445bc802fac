// A small model with random weights and a random batch, for tests of the model floor.
#pragma once

#include <memory>

#include "model/model.h"
#include "tests/support/params_kit.h"

namespace ortho {

template <class T>
struct ModelKit {
  ModelKit(const ModelSpec& spec, std::int64_t windows, std::uint64_t seed)
      : ModelKit(spec, Sharding(spec, windows), nullptr, seed) {}
  // What a rank holds of the same model.
  ModelKit(const ModelSpec& spec, const Sharding& sharding, Channel* world, std::uint64_t seed)
      : params(param_specs(spec), param_layouts(spec, sharding), sharding.rank()),
        backend(make_cpu_backend<T>(1)),
        model(spec, sharding, params, *backend, arena, world) {
    // Every weight random, gains and zero-initialised
    // tables too, so that no gradient is trivially zero.
    test::fill_params(params, [&](const ParamSpec& of) {
      const Random random(seed, "kit/" + of.name);
      const double middle = of.role == Role::gain ? 1.0 : 0.0;
      const double scale = of.init.fill == Initial::normal ? of.init.std : 0.3;
      return [=](std::int64_t index) {
        return middle + scale * random.normal(static_cast<std::uint64_t>(index));
      };
    });
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
      // One beyond the table: a word that only a later stage knows.
      if (spec.words > 0) token.word = below(spec.words + 2);
      if (below(7) == 0)
        token.modality = static_cast<std::int32_t>(Modality::query), token.symbol = {};
      if (spec.ask && token.modality == static_cast<std::int32_t>(Modality::query))
        token.symbol[0] = below(kModalities);
    }
    batch.input.push_back(token);
    Target target;
    target.scored = below(3) != 0;
    const bool end = spec.modality_head && below(8) == 0;
    if (!end)
      target.modality =
          static_cast<std::int32_t>(spec.modalities[static_cast<size_t>(below(count))]);
    target.symbol = symbols(target.modality);
    if (spec.place_heads || spec.item_head) {  // beyond the tables, too
      target.place = {below(9), below(9), below(3)};
      target.item = below(3);
    }
    batch.target.push_back(target);
  }
  for (std::int64_t i = 0; i < spec.identity * windows; ++i)
    batch.input[static_cast<size_t>(i)] = identity_token(i / windows);
  return batch;
}

// The windows of one replica.
inline Batch part_of(const Batch& all, const Range& windows) {
  Batch part = {all.tokens, windows.size(), all.first_window + windows.lo, {}, {}};
  part.window_means = all.window_means;
  for (std::int64_t t = 0; t < all.tokens; ++t)
    for (std::int64_t w = windows.lo; w < windows.hi; ++w) {
      part.input.push_back(all.input[static_cast<size_t>(t * all.windows + w)]);
      part.target.push_back(all.target[static_cast<size_t>(t * all.windows + w)]);
    }
  return part;
}

inline Range windows_of(const Sharding& sharding) {  // of this rank's replica
  return split(sharding.windows(), sharding.replicas(), sharding.replica());
}

inline std::string cuts_text(const Cuts& cuts) {
  return text("batch ", cuts.batch, " tokens ", list_text(cuts.tokens), " channels ",
              cuts.channels);
}

}  // namespace ortho
