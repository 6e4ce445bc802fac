// Generation token by token and of several prompts in one window, against the whole window's way.
#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/errors.h"
#include "tests/support/model_kit.h"
#include "trainer/generate.h"

namespace ortho {
namespace {

ModelSpec spec_of(std::vector<Modality> modalities) {
  ModelSpec spec;
  spec.tokens = {3, 2, 4};
  spec.channels = 12;
  spec.hidden = 8;
  spec.modalities = std::move(modalities);
  spec.text_symbols = 20;
  spec.places.text = 7;
  spec.modality_head = spec.modality_table = true;
  return spec;
}

std::vector<Token> prompt_of(int first, int count) {
  std::vector<Token> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back({1, {(first + i) % 20, 0, 0}, {i, 0, 0}, 0});
  return tokens;
}

GenerateRule rule_of(std::int64_t tokens, WhenFull when_full = WhenFull::slide) {
  GenerateRule rule;
  rule.decode.seed = 5;
  rule.tokens = tokens;
  rule.may_end = false;
  rule.when_full = when_full;
  return rule;
}

class StreamPrompts : public testing::Test {
 protected:
  Prompts by_stream(const Prompts& prompts, const GenerateRule& rule) {
    Stream<float> stream(spec_, static_cast<std::int64_t>(prompts.size()), kit_.params,
                         *kit_.backend, kit_.arena, 4);
    return stream_prompts(stream, prompts, rule);
  }
  const ModelSpec spec_ = spec_of({Modality::text});
  ModelKit<float> kit_{spec_, 4, 11};
  const Prompts prompts_ = {prompt_of(0, 3), prompt_of(7, 11), prompt_of(3, 1), prompt_of(2, 50)};
};

// Logits may differ in the last bit, draws do not: no draw of these lies that near to a border.
TEST_F(StreamPrompts, WritesWhatTheWholeWindowWrites) {
  const Prompts whole = continue_prompts(kit_.model, prompts_, rule_of(40));
  for (const auto& tokens : whole) EXPECT_EQ(tokens.size(), 40u);  // also behind T = 24
  EXPECT_EQ(by_stream(prompts_, rule_of(40)), whole);
  EXPECT_EQ(by_stream({prompts_[1]}, rule_of(40))[0],
            continue_prompts(kit_.model, {prompts_[1]}, rule_of(40))[0]);
  GenerateRule rule = rule_of(200);
  rule.may_end = true;
  rule.decode = {0.7, 12, 0.9, 8};
  const Prompts ended = by_stream(prompts_, rule);
  EXPECT_EQ(ended, continue_prompts(kit_.model, prompts_, rule));
  for (const auto& tokens : ended) EXPECT_LT(tokens.size(), 200u);
}

// Half a window of 24: its tokens 13 … 24 are read from what stands behind the last beginning.
TEST_F(StreamPrompts, HalfBeginsAnew) {
  GenerateRule rule = rule_of(14, WhenFull::half);
  rule.decode.temperature = 0;
  rule.new_item = false;
  const std::vector<Token> prompt = prompt_of(0, 24);
  std::vector<Token> expected = prompt;
  GenerateRule one = rule_of(1);
  one.decode.temperature = 0;
  one.new_item = false;
  for (size_t n = 0; n < 14; ++n) {
    // Begins at 0; with 25 tokens at 13 = 25 - 12; with 13 + 25 = 38 tokens it would at 26.
    const std::ptrdiff_t from = n == 0 ? 0 : 13;
    std::vector<Token> seen(expected.begin() + from, expected.end());
    Token next = continue_prompts(kit_.model, {seen}, one)[0][0];
    next.place = {static_cast<std::int32_t>(expected.size()), 0, 0};
    expected.push_back(next);
  }
  EXPECT_EQ(by_stream({prompt}, rule)[0],
            std::vector<Token>(expected.begin() + 24, expected.end()));
}

TEST_F(StreamPrompts, BeyondGoesOn) {
  const Prompts beyond = by_stream(prompts_, rule_of(100, WhenFull::beyond));
  const Prompts sliding = by_stream(prompts_, rule_of(100));
  for (size_t w = 0; w < 3; ++w) {  // as long as the window is not full they are the same
    ASSERT_EQ(beyond[w].size(), 100u);
    const auto same = static_cast<std::ptrdiff_t>(24 - prompts_[w].size());
    EXPECT_EQ(std::vector<Token>(beyond[w].begin(), beyond[w].begin() + same),
              std::vector<Token>(sliding[w].begin(), sliding[w].begin() + same));
  }
}

TEST_F(StreamPrompts, Refuses) {
  const auto refusal = [&](const ModelSpec& spec, WhenFull when_full) {
    ModelKit<float> kit(spec, 1, 3);
    Stream<float> stream(spec, 1, kit.params, *kit.backend, kit.arena);
    return message_of([&] { stream_prompts(stream, {prompts_[0]}, rule_of(1, when_full)); },
                      ErrorKind::usage);
  };
  ModelSpec spec = spec_;
  spec.map = MapKind::dense;
  spec.weights = Weights::separate;
  EXPECT_NE(refusal(spec, WhenFull::beyond).find("behind the context of 24"), std::string::npos);
  EXPECT_NE(no_stream(spec, 2), "");
  EXPECT_EQ(no_stream(spec, 1), "");
  spec.wiring = Wiring::grid;
  EXPECT_NE(no_stream(spec, 1), "");
  EXPECT_THROW(continue_prompts(kit_.model, prompts_, rule_of(1, WhenFull::half)), Error);
}

class Together : public testing::Test {
 protected:
  const ModelSpec spec_ = spec_of({Modality::text});
  ModelKit<float> one_{spec_, 1, 11}, many_{spec_, 3, 11};
  const Prompts prompts_ = {prompt_of(0, 3), prompt_of(7, 6), prompt_of(3, 1)};
};

// 10 of 24 tokens are prompts: 4 new ones for each of the three, at most.
TEST_F(Together, NextTokensAreThoseOfAWindowForEach) {
  const Prompts apart = continue_prompts(many_.model, prompts_, rule_of(4));
  EXPECT_EQ(continue_together(one_.model, prompts_, rule_of(4)), apart);
  EXPECT_EQ(continue_together(one_.model, prompts_, rule_of(100)), apart);
  EXPECT_EQ(continue_together(one_.model, {prompts_[0]}, rule_of(4))[0], apart[0]);
}

TEST_F(Together, AnswersAreThoseOfAWindowForEach) {
  for (const double top_p : {1.0, 0.6}) {
    GenerateRule rule = rule_of(4);
    rule.decode.top_p = top_p;
    rule.decode.temperature = 0.8;
    EXPECT_EQ(answer_together(one_.model, prompts_, rule),
              answer_prompts(many_.model, prompts_, rule));
  }
}

TEST_F(Together, Refuses) {
  const auto refusal = [&](Model<float>& model, const Prompts& prompts) {
    return message_of([&] { continue_together(model, prompts, rule_of(4)); }, ErrorKind::usage);
  };
  EXPECT_NE(
      refusal(one_.model, {prompt_of(0, 12), prompt_of(0, 11)}).find("no place for an answer"),
      std::string::npos);
  EXPECT_NE(refusal(many_.model, prompts_).find("a model of one window"), std::string::npos);
  ModelSpec grid = spec_;
  grid.wiring = Wiring::grid;
  ModelKit<float> kit(grid, 1, 3);
  EXPECT_NE(message_of([&] { answer_together(kit.model, prompts_, rule_of(4)); }, ErrorKind::usage)
                .find("wiring: causal"),
            std::string::npos);
}

}  // namespace
}  // namespace ortho
