// Unmasking with small models of random weights.
#include "trainer/unmask.h"

#include <gtest/gtest.h>

#include "comm/local.h"
#include "tests/support/errors.h"
#include "tests/support/model_kit.h"

namespace ortho {
namespace {

using Tokens = std::vector<Token>;
using enum UnmaskRule::Order;

ModelSpec spec_of(Modality modality, Wiring wiring = Wiring::mirrored) {
  ModelSpec spec;
  spec.tokens = {4, 2};
  spec.channels = 12;
  spec.hidden = 8;
  spec.wiring = wiring;
  spec.modalities = {modality};
  spec.text_symbols = 20;
  spec.places = {8, 3, 3, 0, 8};
  spec.modality_table = true;
  return spec;
}

Tokens text_of(int first, int count) {
  Tokens tokens;
  for (int i = 0; i < count; ++i) tokens.push_back({1, {(first + i) % 20, 0, 0}, {i, 0, 0}, 0});
  return tokens;
}

GenerateRule rule_of(std::int64_t tokens, std::uint64_t seed = 5) {
  GenerateRule rule;
  rule.decode.seed = seed;
  rule.tokens = tokens;
  rule.new_item = false;
  return rule;
}

class Unmask : public testing::Test {
 protected:
  std::vector<Tokens> run(const std::vector<Tokens>& prompts, const GenerateRule& rule,
                          const UnmaskRule& unmask) {
    return unmask_prompts(kit_.model, prompts, rule, unmask);
  }
  ModelKit<float> kit_{spec_of(Modality::text), 3, 11};
  const std::vector<Tokens> prompts_ = {text_of(0, 3), text_of(7, 5), {}};
};

// In one window, and over many: as many as asked, places and items that go on.
TEST_F(Unmask, FillsInWhatWasAskedFor) {
  for (const std::int64_t count : {1, 3, 20})
    for (const std::int64_t rounds : {0, 1, 2, 50})
      for (const auto order : {confident, random}) {
        const auto added = run(prompts_, rule_of(count), {rounds, order});
        ASSERT_EQ(added.size(), 3U);
        for (size_t w = 0; w < 3; ++w) {
          ASSERT_EQ(static_cast<std::int64_t>(added[w].size()), count);
          for (size_t i = 0; i < added[w].size(); ++i) {
            EXPECT_EQ(added[w][i].modality, static_cast<std::int32_t>(Modality::text));
            EXPECT_LT(added[w][i].symbol[0], 20);
            EXPECT_EQ(added[w][i].place[0], static_cast<std::int32_t>(prompts_[w].size() + i));
            EXPECT_EQ(added[w][i].item, 0);
          }
        }
      }
}

TEST_F(Unmask, TheSeedAndTheRuleDecide) {
  const auto first = run(prompts_, rule_of(12), {});
  EXPECT_EQ(run(prompts_, rule_of(12), {}), first);
  EXPECT_NE(run(prompts_, rule_of(12, 6), {}), first);
  EXPECT_NE(run(prompts_, rule_of(12), {0, random}), first);
  EXPECT_EQ(run({prompts_[0]}, rule_of(12), {})[0], first[0]);  // whatever stands beside it
  // One round chooses all at once, in no order.
  EXPECT_EQ(run(prompts_, rule_of(3), {1, random}), run(prompts_, rule_of(3), {1, confident}));
}

// Greedy, one token a round, against the definition: the surest of all marks becomes a token.
TEST_F(Unmask, TheSurestComesFirst) {
  GenerateRule rule = rule_of(5);
  rule.decode.temperature = 0;
  const Tokens prompt = text_of(4, 3);
  Batch batch = empty_batch(8, 3, 0);
  for (size_t t = 0; t < 8; ++t) {
    Token token = t < 3 ? prompt[t] : Token{};
    token.place[0] = static_cast<std::int32_t>(t);
    if (t >= 3)
      token.modality = static_cast<std::int32_t>(Modality::query), token.symbol = {1, 1, 0};
    batch.input[t * 3] = token;
  }
  for (int round = 0; round < 5; ++round) {
    kit_.model.run(batch);
    double best = -1;
    size_t at = 0;
    std::int32_t symbol = 0;
    for (size_t t = 3; t < 8; ++t) {
      if (batch.input[t * 3].modality == 1) continue;
      const std::vector<std::int32_t> row = {static_cast<std::int32_t>(t * 3)};
      std::vector<float> logits(20);
      kit_.model.head().logits("text", row, {}, logits.data());
      double sum = 0;
      for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
      const auto top = std::max_element(logits.begin(), logits.end());
      const double share = std::exp(static_cast<double>(*top)) / sum;
      if (share <= best) continue;
      best = share;
      at = t;
      symbol = static_cast<std::int32_t>(top - logits.begin());
    }
    batch.input[at * 3].modality = 1;
    batch.input[at * 3].symbol = {symbol, 0, 0};
  }
  const Tokens added = run({prompt}, rule, {}).front();
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(added[i], batch.input[(i + 3) * 3]) << i;
}

TEST(UnmaskPixels, KnowTheirPlaces) {
  ModelKit<float> kit(spec_of(Modality::pixel, Wiring::grid), 1, 11);
  GenerateRule rule = rule_of(5);
  rule.image_width = 3;
  const Tokens begun = {{2, {1, 2, 3}, {0, 0, 0}, 0}};
  const Tokens added = unmask_prompts(kit.model, {begun}, rule, {2, confident}).front();
  ASSERT_EQ(added.size(), 5U);
  for (std::int32_t i = 0; i < 5; ++i) {
    const Token& token = added[static_cast<size_t>(i)];
    EXPECT_EQ(token.modality, 2);
    EXPECT_EQ(token.place, (std::array<std::int32_t, 3>{(i + 1) / 3, (i + 1) % 3, 0}));
  }
}

TEST(UnmaskShard, GivesEveryRankTheTokensOfOne) {
  const ModelSpec spec = spec_of(Modality::text);
  const std::vector<Tokens> prompts = {text_of(0, 3), text_of(9, 11)};
  ModelKit<float> one(spec, 2, 11);
  const UnmaskRule unmask{3, confident};
  const auto truth = unmask_prompts(one.model, prompts, rule_of(13), unmask);
  for (const Cuts& cuts : {Cuts{1, {2}, 1}, Cuts{1, {2, 2}, 1}, Cuts{1, {}, 2}})
    run_local_ranks(mesh_of(cuts).ranks(), [&](Channel& world) {
      ModelKit<float> kit(spec, Sharding(spec, 2, cuts, world.rank()), &world, 11);
      EXPECT_EQ(unmask_prompts(kit.model, prompts, rule_of(13), unmask), truth) << cuts_text(cuts);
    });
}

TEST_F(Unmask, RefusesWhatCannotBe) {
  expect_in("rounds -1", message_of(
                             [&] {
                               run(prompts_, rule_of(3), {-1, random});
                             },
                             ErrorKind::usage));
  expect_in("4 prompts for 3 windows", message_of(
                                           [&] {
                                             run({{}, {}, {}, {}}, rule_of(3), {});
                                           },
                                           ErrorKind::usage));
}

}  // namespace
}  // namespace ortho
