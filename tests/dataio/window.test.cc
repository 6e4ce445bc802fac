#include "dataio/window.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.h"

namespace ortho {
namespace {

constexpr auto kText = static_cast<std::int32_t>(Modality::text);
constexpr auto kPixel = static_cast<std::int32_t>(Modality::pixel);
constexpr auto kAudio = static_cast<std::int32_t>(Modality::audio);
constexpr auto kQuery = static_cast<std::int32_t>(Modality::query);
constexpr auto kNone = static_cast<std::int32_t>(Modality::none);

// Token t of a record of text: symbol 100 + t, so that it differs from padding.
Token record_token(std::int64_t t) {
  Token token;
  token.modality = kText;
  token.symbol[0] = static_cast<std::int32_t>(100 + t);
  token.place[0] = static_cast<std::int32_t>(t);
  return token;
}

void read_record(Range which, std::vector<Token>& out) {
  for (std::int64_t t = which.lo; t < which.hi; ++t) out.push_back(record_token(t));
}

// "102>103" a place: symbol in, symbol to predict; "-" unscored, "end" none, "." padding.
std::vector<std::string> shown(const Batch& batch, std::int64_t window) {
  std::vector<std::string> places;
  for (std::int64_t p = 0; p < batch.tokens; ++p) {
    const auto at = static_cast<std::size_t>(p * batch.windows + window);
    const Token& token = batch.input[at];
    const Target& target = batch.target[at];
    const std::string in = token == Token{}           ? "."
                           : token.modality == kQuery ? text('?', token.place[0])
                                                      : text(token.symbol[0]);
    const std::string out = target.scored == 0         ? "-"
                            : target.modality == kNone ? "end"
                                                       : text(target.symbol[0]);
    places.push_back(in + ">" + out);
  }
  return places;
}

using Places = std::vector<std::string>;

Places next_token(std::int64_t index, std::int64_t before, std::int64_t length, bool score_end) {
  const WindowRule rule{.tokens = 4, .score_end = score_end};
  Batch batch = empty_batch(4, 3, 0);
  lay_next_token(index, before, length, rule, read_record, 1, batch);
  const Places empty(4, ".>-");
  EXPECT_EQ(shown(batch, 0), empty);  // its neighbours are untouched
  EXPECT_EQ(shown(batch, 2), empty);
  return shown(batch, 1);
}

TEST(NextToken, SlicesPredictTheRecordsNextSymbol) {
  EXPECT_EQ(next_token(0, 0, 9, false), (Places{"100>101", "101>102", "102>103", "103>104"}));
  EXPECT_EQ(next_token(1, 0, 9, false), (Places{"104>105", "105>106", "106>107", "107>108"}));
  EXPECT_EQ(next_token(2, 0, 9, false), (Places{"108>-", ".>-", ".>-", ".>-"}));
}

TEST(NextToken, TheEndIsScoredWhenAsked) {
  EXPECT_EQ(next_token(2, 0, 9, true), (Places{"108>end", ".>-", ".>-", ".>-"}));
  EXPECT_EQ(next_token(1, 0, 8, true), (Places{"104>105", "105>106", "106>107", "107>end"}));
}

TEST(NextToken, PaddingBeforeShiftsTheSlices) {
  EXPECT_EQ(next_token(0, 3, 9, false), (Places{".>-", ".>-", ".>-", "100>101"}));
  EXPECT_EQ(next_token(1, 3, 9, false), (Places{"101>102", "102>103", "103>104", "104>105"}));
  EXPECT_EQ(next_token(2, 3, 9, true), (Places{"105>106", "106>107", "107>108", "108>end"}));
  EXPECT_EQ(next_token(0, 2, 2, true), (Places{".>-", ".>-", "100>101", "101>end"}));
}

const std::vector<ItemSize> kPair = {{Modality::pixel, 4}, {Modality::text, 2}};

TEST(OneShot, TheLastItemIsTheOutput) {
  const WindowRule rule{.objective = Objective::one_shot, .tokens = 6};
  const auto plan = plan_one_shot(kPair, rule);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->inputs, std::vector<std::size_t>{0});
  EXPECT_EQ(plan->outputs, std::vector<std::size_t>{1});
  EXPECT_EQ(plan->input_tokens, 4);
  EXPECT_EQ(plan->output_tokens, 2);
}

TEST(OneShot, ANamedModalityIsMovedToTheEnd) {
  const std::vector<ItemSize> items = {
      {Modality::text, 2}, {Modality::audio, 5}, {Modality::text, 3}};
  const WindowRule rule{.objective = Objective::one_shot, .tokens = 10, .output = Modality::text};
  const auto plan = plan_one_shot(items, rule);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->inputs, std::vector<std::size_t>{1});
  EXPECT_EQ(plan->outputs, (std::vector<std::size_t>{0, 2}));
  EXPECT_EQ(plan->input_tokens, 5);
  EXPECT_EQ(plan->output_tokens, 5);
}

TEST(OneShot, WhatDoesNotFitIsSkippedOrCut) {
  WindowRule rule{.objective = Objective::one_shot, .tokens = 5};
  EXPECT_FALSE(plan_one_shot(kPair, rule));
  EXPECT_EQ(windows_of(kPair, rule), 0);
  rule.cut = true;
  auto plan = plan_one_shot(kPair, rule);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->input_tokens, 3);
  EXPECT_EQ(plan->output_tokens, 2);
  EXPECT_EQ(windows_of(kPair, rule), 1);
  const std::vector<ItemSize> long_output = {{Modality::text, 3}, {Modality::pixel, 90}};
  rule.tokens = 8;
  plan = plan_one_shot(long_output, rule);  // the input is shorter than half: it stays whole
  EXPECT_EQ(plan->input_tokens, 3);
  EXPECT_EQ(plan->output_tokens, 5);
  const std::vector<ItemSize> both_long = {{Modality::text, 70}, {Modality::pixel, 90}};
  plan = plan_one_shot(both_long, rule);
  EXPECT_EQ(plan->input_tokens, 4);
  EXPECT_EQ(plan->output_tokens, 4);
}

TEST(OneShot, RecordsWithoutInputOrOutputAreNone) {
  WindowRule rule{.objective = Objective::one_shot, .tokens = 100};
  EXPECT_EQ(windows_of(std::vector<ItemSize>{{Modality::text, 3}}, rule), 0);
  rule.output = Modality::audio;
  EXPECT_EQ(windows_of(kPair, rule), 0);
}

TEST(OneShot, SlotsRunToTheWindowsEnd) {
  const WindowRule rule{.objective = Objective::one_shot, .tokens = 8};
  std::vector<Token> input(3), output(2);
  for (std::size_t i = 0; i < 3; ++i)
    input[i] = {kPixel, {7, 7, 7}, {0, static_cast<int>(i), 0}, 0};
  for (std::size_t i = 0; i < 2; ++i) output[i] = {kText, {50 + static_cast<int>(i), 0, 0}, {}, 1};
  Batch batch = empty_batch(8, 2, 0);
  lay_one_shot(input, output, 1, 0, rule, 0, batch);
  EXPECT_EQ(shown(batch, 0),
            (Places{"7>-", "7>-", "7>-", "?0>50", "?1>51", "?2>end", "?3>end", "?4>end"}));
  EXPECT_EQ(shown(batch, 1), Places(8, ".>-"));
  const Token& slot = batch.input[4 * 2];
  EXPECT_EQ(slot, (Token{kQuery, {kText, 0, 0}, {1, 0, 0}, 1}));  // asks for text
  EXPECT_EQ(batch.target[3 * 2], (Target{1, kText, {50, 0, 0}, {}, 1}));
  lay_one_shot(input, output, 1, 2, rule, 1, batch);
  EXPECT_EQ(shown(batch, 1),
            (Places{".>-", ".>-", "7>-", "7>-", "7>-", "?0>50", "?1>51", "?2>end"}));
}

TEST(OneShot, NamedSlotsStandAtTheWindowsEnd) {
  const WindowRule rule{.objective = Objective::one_shot, .tokens = 8, .slots = 4};
  const auto plan =
      plan_one_shot(std::vector<ItemSize>{{Modality::pixel, 3}, {Modality::text, 2}}, rule);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->spare(rule), 1);
  const std::vector<Token> input(3, {kPixel, {7, 7, 7}, {}, 0});
  const std::vector<Token> output(2, {kText, {50, 0, 0}, {}, 1});
  Batch batch = empty_batch(8, 2, 0);
  lay_one_shot(input, output, 1, 0, rule, 0, batch);
  EXPECT_EQ(shown(batch, 0),
            (Places{"7>-", "7>-", "7>-", ".>-", "?0>50", "?1>50", "?2>end", "?3>-"}));
  lay_one_shot(input, {}, 1, 1, rule, 1, batch,
               Modality::audio);  // a prompt: what is asked for is said
  EXPECT_EQ(batch.input[4 * 2 + 1], (Token{kQuery, {kAudio, 0, 0}, {0, 0, 0}, 1}));
  EXPECT_EQ(shown(batch, 1).front(), ".>-");
}

TEST(OneShot, SparePlacesStandWhereThePaddingSays) {
  const auto by_chance = [] { return std::int64_t{2}; };
  EXPECT_EQ(spare_before(Padding::random, 5, by_chance), 2);
  EXPECT_EQ(spare_before(Padding::end, 5, by_chance), 0);
  EXPECT_EQ(spare_before(Padding::start, 5, by_chance), 5);
}

TEST(OneShot, NamedSlotsBoundInputAndOutput) {
  WindowRule rule{.objective = Objective::one_shot, .tokens = 8, .slots = 2};
  EXPECT_TRUE(
      plan_one_shot(std::vector<ItemSize>{{Modality::pixel, 6}, {Modality::text, 2}}, rule));
  const std::vector<ItemSize> long_input = {{Modality::pixel, 7}, {Modality::text, 1}};
  const std::vector<ItemSize> long_output = {{Modality::pixel, 5}, {Modality::text, 3}};
  EXPECT_FALSE(plan_one_shot(long_input, rule));
  EXPECT_FALSE(plan_one_shot(long_output, rule));
  rule.cut = true;
  EXPECT_EQ(plan_one_shot(long_input, rule)->input_tokens, 6);
  EXPECT_EQ(plan_one_shot(long_output, rule)->output_tokens, 2);
}

}  // namespace
}  // namespace ortho
