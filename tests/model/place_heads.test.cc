// Heads for place and item against plain loops over their logits.
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "tests/support/errors.h"
#include "tests/support/model_kit.h"

namespace ortho {
namespace {

constexpr std::int64_t kWindows = 3;

ModelSpec spec_of() {
  ModelSpec spec;
  spec.tokens = {2, 3};
  spec.channels = 5;
  spec.hidden = 4;
  spec.text_symbols = 7;
  spec.modalities = {Modality::text, Modality::pixel, Modality::audio};
  spec.modality_head = true;
  spec.places = {4, 3, 5, 0, 6};  // no frames
  spec.items = 2;
  spec.place_heads = spec.item_head = true;
  return spec;
}

// Adds what one head says of a row's target.
void add_row(ModelKit<double>& kit, const std::string& head, size_t row, std::int64_t target,
             Term term, TermSums& sums) {
  const std::int64_t classes = kit.model.head().classes(head);
  std::vector<double> logits(static_cast<size_t>(classes));
  kit.model.head().logits(head, std::vector<std::int32_t>{static_cast<std::int32_t>(row)}, {},
                          logits.data());
  const auto wanted = static_cast<size_t>(target % classes);
  double sum = 0, largest = logits[0];
  for (const double logit : logits) sum += std::exp(logit), largest = std::max(largest, logit);
  const auto i = static_cast<size_t>(term);
  sums.nats[i] += std::log(sum) - logits[wanted];
  sums.targets[i] += 1;
  sums.hits[i] += logits[wanted] == largest;
}

TEST(PlaceHeads, ScoreThePlacesAndItemsOfTargets) {
  ModelKit<double> kit(spec_of(), kWindows, 5);
  const Batch batch =
      random_batch(spec_of(), kWindows, 6);  // places up to 8, items up to 2: beyond
  const TermSums sums = kit.model.score(batch);
  kit.model.run(batch);
  TermSums expected;
  for (size_t row = 0; row < batch.target.size(); ++row) {
    const Target& target = batch.target[row];
    if (!target.scored || target.modality == 0) continue;
    for (const PlaceHead& place : place_heads(spec_of()))
      if (static_cast<std::int32_t>(place.modality) == target.modality)
        add_row(kit, place.name, row, target.place[static_cast<size_t>(place.axis)], Term::place,
                expected);
    add_row(kit, "item", row, target.item, Term::item, expected);
  }
  for (const Term term : {Term::place, Term::item}) {
    const auto i = static_cast<size_t>(term);
    EXPECT_GT(expected.targets[i], 0);
    EXPECT_EQ(sums.targets[i], expected.targets[i]) << term_name(term);
    EXPECT_EQ(sums.hits[i], expected.hits[i]) << term_name(term);
    // Some dozen terms in another order.
    EXPECT_NEAR(sums.nats[i], expected.nats[i], 1e-12) << term_name(term);
  }
  TermWeights weights;
  const double all = sums.loss(weights);
  weights.weight[static_cast<size_t>(Term::place)] = 0;
  weights.weight[static_cast<size_t>(Term::item)] = 0;
  EXPECT_NEAR(all - sums.loss(weights),
              (sums.nats[4] + sums.nats[5]) / static_cast<double>(sums.scored), 1e-12);
}

TEST(PlaceHeads, AreThoseOfTheTables) {
  std::vector<std::string> names;
  for (const PlaceHead& place : place_heads(spec_of())) names.push_back(place.name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"place.text", "place.row", "place.column", "place.audio"}));
  ModelSpec spec = spec_of();
  spec.modalities = {Modality::audio};
  ASSERT_EQ(place_heads(spec).size(), 1u);
  spec.places.audio = 0;
  EXPECT_NE(message_of([&] { check_spec(spec); }, ErrorKind::usage).find("place_heads: true"),
            std::string::npos);
  spec.place_heads = false;
  spec.items = 0;
  EXPECT_NE(message_of([&] { check_spec(spec); }, ErrorKind::usage).find("item_head: true"),
            std::string::npos);
}

}  // namespace
}  // namespace ortho
