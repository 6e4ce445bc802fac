// Places and items of generated tokens: by the rule or by the heads.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.h"
#include "tests/support/model_kit.h"
#include "trainer/generate.h"

namespace ortho {
namespace {

ModelSpec spec_of() {
  ModelSpec spec;
  spec.tokens = {4, 4};
  spec.channels = 12;
  spec.hidden = 8;
  spec.modalities = {Modality::text, Modality::pixel};
  spec.text_symbols = 20;
  spec.modality_head = spec.modality_table = true;
  spec.places.row = 3;
  spec.places.column = 5;
  spec.items = 4;
  spec.place_heads = spec.item_head = true;
  return spec;
}

GenerateRule rule_of(Modality only, bool by_heads) {
  GenerateRule rule;
  rule.tokens = 12;
  rule.only = only;
  rule.may_end = false;
  rule.image_width = 7;
  rule.places_by_heads = by_heads;
  return rule;
}

const std::vector<Token> kPrompt = {{1, {3, 0, 0}, {}, 0}, {1, {4, 0, 0}, {1, 0, 0}, 0}};

TEST(GeneratePlaces, FollowTheRule) {
  ModelKit<float> kit(spec_of(), 1, 3);
  const auto pixels = continue_prompts(kit.model, {kPrompt}, rule_of(Modality::pixel, false))[0];
  ASSERT_EQ(pixels.size(), 12u);
  for (int i = 0; i < 12; ++i) {
    EXPECT_EQ(pixels[static_cast<size_t>(i)].place, (std::array<std::int32_t, 3>{i / 7, i % 7, 0}));
    EXPECT_EQ(pixels[static_cast<size_t>(i)].item, 1);
  }
}

TEST(GeneratePlaces, AreChosenByTheHeads) {
  ModelKit<float> kit(spec_of(), 1, 3);
  GenerateRule rule = rule_of(Modality::pixel, true);
  rule.decode.temperature = 0;
  rule.tokens = 1;
  const Token pixel = continue_prompts(kit.model, {kPrompt}, rule)[0][0];
  Batch batch = empty_batch(16, 1, 0);
  std::copy(kPrompt.begin(), kPrompt.end(), batch.input.begin());
  kit.model.run(batch);
  const auto likeliest = [&](const std::string& head) {
    std::vector<float> logits(static_cast<size_t>(kit.model.head().classes(head)));
    kit.model.head().logits(head, std::vector<std::int32_t>{1}, {}, logits.data());
    return static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) -
                                     logits.begin());
  };
  // Frames have no head: the rule's 0.
  EXPECT_EQ(pixel.place,
            (std::array<std::int32_t, 3>{likeliest("place.row"), likeliest("place.column"), 0}));
  EXPECT_EQ(pixel.item, likeliest("item"));
  // Text has no table of places, so no head: the rule counts on.
  rule.only = Modality::text;
  rule.tokens = 3;
  EXPECT_EQ(continue_prompts(kit.model, {kPrompt}, rule)[0][2].place[0], 2);
}

TEST(GeneratePlaces, NeedHeads) {
  ModelSpec spec = spec_of();
  spec.place_heads = spec.item_head = false;
  ModelKit<float> kit(spec, 1, 3);
  EXPECT_THROW(continue_prompts(kit.model, {kPrompt}, rule_of(Modality::text, true)), Error);
}

TEST(GeneratePlaces, PixelsOfAFilmKnowTheirFrame) {
  GenerateRule rule;
  rule.image_width = 3;
  const auto pixel = static_cast<std::int32_t>(Modality::pixel);
  using Place = std::array<std::int32_t, 3>;
  EXPECT_EQ(place_of(rule, 11, pixel), (Place{3, 2, 0}));  // an image
  rule.image_height = 2;
  EXPECT_EQ(place_of(rule, 5, pixel), (Place{1, 2, 0}));
  EXPECT_EQ(place_of(rule, 6, pixel), (Place{0, 0, 1}));
  EXPECT_EQ(place_of(rule, 16, pixel), (Place{1, 1, 2}));
  EXPECT_EQ(place_of(rule, 16, static_cast<std::int32_t>(Modality::audio)), (Place{16, 0, 0}));
}

}  // namespace
}  // namespace ortho
