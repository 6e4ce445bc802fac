// Generation from small models of random weights: determinism, independence of the windows, shapes.
#include "trainer/generate.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/agreement.h"
#include "tests/support/errors.h"
#include "tests/support/model_kit.h"

namespace ortho {
namespace {

using Tokens = std::vector<Token>;
constexpr std::int64_t kWindows = 3;

ModelSpec spec_of(std::vector<Modality> modalities) {
  ModelSpec spec;
  spec.tokens = {4, 2};
  spec.channels = 12;
  spec.hidden = 8;
  spec.modalities = std::move(modalities);
  spec.text_symbols = 20;
  spec.modality_head = spec.modality_table = true;
  return spec;
}

Tokens prompt_of(int first, int count) {
  Tokens tokens;
  for (int i = 0; i < count; ++i) tokens.push_back({1, {(first + i) % 20, 0, 0}, {i, 0, 0}, 0});
  return tokens;
}

GenerateRule rule_of(std::int64_t tokens, std::uint64_t seed = 5) {
  GenerateRule rule;
  rule.decode.seed = seed;
  rule.tokens = tokens;
  rule.may_end = false;
  return rule;
}

class Generate : public testing::Test {
 protected:
  ModelKit<float> kit_{spec_of({Modality::text}), kWindows, 11};
  const std::vector<Tokens> prompts_ = {prompt_of(0, 3), prompt_of(7, 5), prompt_of(3, 1)};
};

TEST_F(Generate, TheSeedDecides) {
  const auto first = continue_prompts(kit_.model, prompts_, rule_of(12));
  EXPECT_EQ(first, continue_prompts(kit_.model, prompts_, rule_of(12)));
  EXPECT_NE(first, continue_prompts(kit_.model, prompts_, rule_of(12, 6)));
  for (const Tokens& tokens : first) EXPECT_EQ(tokens.size(), 12u);
}

TEST_F(Generate, APromptAloneGivesTheSame) {
  const auto beside = continue_prompts(kit_.model, prompts_, rule_of(12));
  EXPECT_EQ(continue_prompts(kit_.model, {prompts_[0]}, rule_of(12))[0], beside[0]);
  // And in a model of another batch size. Logits may differ in the last bit there, draws do not.
  ModelKit<float> alone(spec_of({Modality::text}), 1, 11);
  EXPECT_EQ(continue_prompts(alone.model, {prompts_[0]}, rule_of(12))[0], beside[0]);
  // Other neighbours change nothing either.
  auto others = prompts_;
  others[0] = prompt_of(1, 2);
  others[2] = prompt_of(9, 4);
  EXPECT_EQ(continue_prompts(kit_.model, others, rule_of(12))[1], beside[1]);
}

// Beyond T = 8 the window slides: the next token depends on the last 8 alone.
TEST_F(Generate, SlidesBeyondTheContext) {
  GenerateRule greedy = rule_of(1);
  greedy.decode.temperature = 0;
  greedy.new_item = false;
  Tokens history = prompt_of(0, 30);
  const Tokens last(history.end() - 8, history.end());
  const Token next = continue_prompts(kit_.model, {history}, greedy)[0][0];
  EXPECT_EQ(next.symbol, continue_prompts(kit_.model, {last}, greedy)[0][0].symbol);
  EXPECT_EQ(next.place, (std::array<std::int32_t, 3>{30, 0, 0}));
  // Twenty tokens at once are twenty tokens one by one.
  greedy.tokens = 20;
  const Tokens at_once = continue_prompts(kit_.model, {prompts_[0]}, greedy)[0];
  greedy.tokens = 1;
  Tokens one_by_one = prompts_[0];
  for (int n = 0; n < 20; ++n)
    one_by_one.push_back(continue_prompts(kit_.model, {one_by_one}, greedy)[0][0]);
  EXPECT_EQ(Tokens(one_by_one.begin() + 3, one_by_one.end()), at_once);
}

TEST_F(Generate, ItemsAndPlaces) {
  GenerateRule rule = rule_of(2);
  const Token fresh = continue_prompts(kit_.model, prompts_, rule)[0][1];
  EXPECT_EQ(fresh.item, 1);
  EXPECT_EQ(fresh.place[0], 1);
  rule.new_item = false;
  const Token further = continue_prompts(kit_.model, prompts_, rule)[0][1];
  EXPECT_EQ(further.item, 0);
  EXPECT_EQ(further.place[0], 4);  // behind three tokens and one new one
}

TEST_F(Generate, TheEndEnds) {
  // Untrained, `none` is one of two about equally likely kinds: 200 tokens without it never come.
  GenerateRule rule = rule_of(200);
  rule.may_end = true;
  const auto ended = continue_prompts(kit_.model, prompts_, rule);
  for (const Tokens& tokens : ended) {
    EXPECT_LT(tokens.size(), 200u);
    for (const Token& token : tokens) EXPECT_EQ(token.modality, 1);
  }
}

TEST_F(Generate, Refuses) {
  const auto refusal = [&](const std::vector<Tokens>& prompts, const GenerateRule& rule) {
    return message_of([&] { continue_prompts(kit_.model, prompts, rule); }, ErrorKind::usage);
  };
  EXPECT_NE(
      refusal(std::vector<Tokens>(4, prompts_[0]), rule_of(1)).find("4 prompts for 3 windows"),
      std::string::npos);
  EXPECT_NE(refusal({{}}, rule_of(1)).find("empty"), std::string::npos);
  GenerateRule rule = rule_of(1);
  rule.only = Modality::audio;
  EXPECT_NE(refusal(prompts_, rule).find("does not know audio"), std::string::npos);
  EXPECT_THROW(answer_prompts(kit_.model, {prompt_of(0, 8)}, rule_of(0)), Error);  // no place left
}

TEST(GenerateMedia, OnlyOneModalityAndItsPlaces) {
  ModelKit<float> kit(spec_of({Modality::text, Modality::pixel, Modality::audio}), 1, 12);
  GenerateRule rule = rule_of(7);
  rule.only = Modality::pixel;
  rule.image_width = 3;
  const Tokens pixels = continue_prompts(kit.model, {prompt_of(0, 2)}, rule)[0];
  ASSERT_EQ(pixels.size(), 7u);
  for (size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(pixels[i].modality, 2);
    const auto at = static_cast<std::int32_t>(i);
    EXPECT_EQ(pixels[i].place, (std::array<std::int32_t, 3>{at / 3, at % 3, 0}));
  }
  rule.only = Modality::audio;
  const Tokens samples = continue_prompts(kit.model, {prompt_of(0, 2)}, rule)[0];
  ASSERT_EQ(samples.size(), 7u);
  for (const Token& token : samples) {
    EXPECT_EQ(token.modality, 3);
    EXPECT_LT(token.symbol[0], 256);
  }
}

TEST(GenerateAnswers, APromptMayEndWhereTheSlotsBegin) {
  ModelKit<float> kit(spec_of({Modality::text}), 1, 13);
  GenerateRule rule = rule_of(0);
  rule.slots = 3;
  Tokens padded(3);  // spare places, of 8 for a prompt of 2 and 3 slots
  const Tokens prompt = prompt_of(0, 2);
  padded.insert(padded.end(), prompt.begin(), prompt.end());
  const Tokens by_hand = answer_prompts(kit.model, {padded}, rule)[0];
  EXPECT_NE(answer_prompts(kit.model, {prompt}, rule)[0], by_hand);
  rule.against_slots = true;
  EXPECT_EQ(answer_prompts(kit.model, {prompt}, rule)[0], by_hand);
}

TEST(GenerateAnswers, FillTheWindowOrTheTokensAsked) {
  ModelSpec spec = spec_of({Modality::text});
  spec.wiring = Wiring::grid;
  ModelKit<float> kit(spec, kWindows, 13);
  const std::vector<Tokens> prompts = {prompt_of(0, 3), prompt_of(7, 5)};
  const auto all = answer_prompts(kit.model, prompts, rule_of(0));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].size(), 5u);  // 8 - 3
  EXPECT_EQ(all[1].size(), 3u);
  EXPECT_EQ(all, answer_prompts(kit.model, prompts, rule_of(0)));
  EXPECT_NE(all, answer_prompts(kit.model, prompts, rule_of(0, 6)));
  EXPECT_EQ(answer_prompts(kit.model, {prompts[0]}, rule_of(0))[0], all[0]);
  const auto two = answer_prompts(kit.model, prompts, rule_of(2));
  for (size_t w = 0; w < 2; ++w) {
    EXPECT_EQ(two[w], Tokens(all[w].begin(), all[w].begin() + 2));  // the first of the same slots
    EXPECT_EQ(two[w][1].item, 1);
    EXPECT_EQ(two[w][1].place[0], 1);
  }
}

}  // namespace
}  // namespace ortho
