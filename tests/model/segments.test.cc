// Several prompts in one window against each alone in a window of its own.
#include "model/segments.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/errors.h"
#include "tests/support/model_kit.h"

namespace ortho {
namespace {

constexpr std::int64_t kWindows = 2;
const std::vector<std::int64_t> kStarts = {0, 5, 6, 17};

ModelSpec spec_of(MapKind map, Weights weights, Combine combine) {
  ModelSpec spec;
  spec.tokens = {3, 2, 4};
  spec.channels = 6;
  spec.hidden = 4;
  spec.map = map;
  spec.weights = weights;
  spec.combine = combine;
  spec.refeeds = 2;
  spec.text_symbols = 20;
  return spec;
}

std::vector<ModelSpec> specs() {
  std::vector<ModelSpec> all;
  for (const Combine combine : {Combine::sequential, Combine::parallel}) {
    all.push_back(spec_of(MapKind::joint, Weights::shared, combine));
    for (const Weights weights :
         {Weights::shared, Weights::by_position, Weights::separate, Weights::per_channel})
      all.push_back(spec_of(MapKind::dense, weights, combine));
  }
  ModelSpec mixed = spec_of(MapKind::joint, Weights::shared, Combine::sequential);
  mixed.maps = {MapKind::attention, MapKind::joint, MapKind::attention};
  mixed.sets = {1, 2, 1};  // a box of its first and last axis
  mixed.heads = 2;
  all.push_back(spec_of(MapKind::attention, Weights::shared, Combine::sequential));
  all.push_back(mixed);
  return all;
}

std::vector<double> row_logits(ModelKit<double>& kit, std::int64_t row) {
  const auto at = static_cast<std::int32_t>(row);
  std::vector<double> out(static_cast<size_t>(kit.model.spec().text_symbols));
  kit.model.head().logits("text", std::vector<std::int32_t>{at}, {}, out.data());
  return out;
}

// In double each row is summed alone and in the same order: the same bits.
TEST(Segments, EachEqualsAWindowOfItsOwn) {
  for (const ModelSpec& spec : specs()) {
    ModelKit<double> together(spec, kWindows, 5), alone(spec, kWindows, 5);
    const Batch batch = random_batch(spec, kWindows, 6);
    together.model.run(batch, kStarts);
    const Segments segments = segments_at(spec, together.model.sharding(), kStarts);
    for (const Range& segment : segments) {
      Batch own = random_batch(spec, kWindows, 7);  // what comes behind is no matter
      std::copy(batch.input.begin() + segment.lo * kWindows,
                batch.input.begin() + segment.hi * kWindows, own.input.begin());
      alone.model.run(own);
      for (std::int64_t row = 0; row < segment.size() * kWindows; ++row)
        EXPECT_EQ(row_logits(together, segment.lo * kWindows + row), row_logits(alone, row))
            << "map " << static_cast<int>(spec.map) << " weights " << static_cast<int>(spec.weights)
            << " row " << row << " of segment " << segment.lo;
    }
    // The next batch is whole again.
    together.model.run(batch);
    alone.model.run(batch);
    const std::int64_t last = batch.tokens * kWindows - 1;
    EXPECT_EQ(row_logits(together, last), row_logits(alone, last));
  }
}

TEST(Segments, RefusesWhatWouldMixThem) {
  ModelSpec spec = spec_of(MapKind::joint, Weights::shared, Combine::sequential);
  const auto refusal = [&](const Sharding& sharding, const std::vector<std::int64_t>& starts) {
    return message_of([&] { segments_at(spec, sharding, starts); }, ErrorKind::usage);
  };
  const Sharding whole(spec, kWindows);
  for (const std::vector<std::int64_t>& starts :
       {std::vector<std::int64_t>{1, 3}, {0, 3, 3}, {0, 24}, {0, 9, 7}})
    EXPECT_NE(refusal(whole, starts).find("the first begins at 0"), std::string::npos);
  const Sharding cut(spec, kWindows, {1, {3}, 1}, 0);
  EXPECT_NE(refusal(cut, {0, 3}).find("the mesh cuts token axes"), std::string::npos);
  spec.wiring = Wiring::grid;
  EXPECT_NE(refusal(whole, {0, 3}).find("wiring: causal"), std::string::npos);
}

}  // namespace
}  // namespace ortho
