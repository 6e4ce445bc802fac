// The learned prefix: windows that begin with it, runs that train it alone, texts read behind it.
#include <gtest/gtest.h>

#include "tests/support/errors.h"
#include "tests/support/model_kit.h"
#include "tests/support/run_kit.h"
#include "trainer/generate.h"
#include "trainer/partial.h"
#include "trainer/stage_data.h"
#include "trainer/unmask.h"

namespace ortho {
namespace {

constexpr std::int64_t kPrefix = 3;

ModelSpec prefixed(std::int64_t prefix = kPrefix) {
  ModelSpec spec;
  spec.tokens = {4, 4};
  spec.channels = 12;
  spec.hidden = 8;
  spec.text_symbols = 20;
  spec.places.text = 7;
  spec.modality_head = spec.modality_table = true;
  spec.identity = prefix;
  return spec;
}

std::vector<Token> prompt_of(int first, int count) {
  std::vector<Token> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back({1, {(first + i) % 20, 0, 0}, {i, 0, 0}, 0});
  return tokens;
}

GenerateRule rule_of(std::int64_t tokens) {
  GenerateRule rule;
  rule.decode.seed = 5;
  rule.tokens = tokens;
  rule.may_end = false;
  return rule;
}

TEST(Identity, EveryObjectivesWindowsBeginWithThePrefix) {
  RunKit kit;
  const Dataset records({kit.texts()}, Split::train);
  const Vocabulary vocabulary(symbols_in_use({kit.texts()}));
  for (const Objective objective : {Objective::next_token, Objective::diffusion}) {
    LoaderOptions options;
    options.window.objective = objective;
    options.window.tokens = 5;
    options.windows = 4;
    options.prefetch = false;
    Loader plain(records, vocabulary, options);
    options.window.prefix = kPrefix;
    Loader shifted(records, vocabulary, options);
    for (int step = 0; step < 3; ++step) {
      const Batch a = plain.next(), b = shifted.next();
      ASSERT_EQ(b.tokens, a.tokens + kPrefix);
      for (std::int64_t row = 0; row < b.tokens * b.windows; ++row) {
        const auto at = static_cast<size_t>(row);
        const std::int64_t place = row / b.windows;
        const auto from = static_cast<size_t>(row - kPrefix * b.windows);
        EXPECT_EQ(b.input[at], place < kPrefix ? identity_token(place) : a.input[from]);
        EXPECT_EQ(b.target[at], place < kPrefix ? Target{} : a.target[from]);
      }
    }
  }
}

TEST(Identity, TrainsThePrefixAlone) {
  const ModelSpec spec = prefixed();
  EXPECT_EQ(trained_parts({}, spec, 1, 0), std::vector<std::string>{"identity"});
  EXPECT_DOUBLE_EQ(training_share({}, spec), 2.0 / 3);
  ModelKit<float> all(spec, 2, 5), prefix(spec, 2, 5);
  set_trained({"identity"}, prefix.params);
  const Batch batch = random_batch(spec, 2, 3);
  all.model.train(batch, {}, 10, {});
  prefix.model.train(batch, {}, 10, {});
  for (size_t p = 0; p < all.params.all().size(); ++p) {
    const Param<float>&a = all.params.all()[p], &b = prefix.params.all()[p];
    EXPECT_EQ(b.trained, b.spec.name == "embed.identity");
    bool some = false;
    for (std::int64_t i = 0; i < a.size; ++i) {
      ASSERT_EQ(b.grad[i], b.trained ? a.grad[i] : 0.0F) << a.spec.name;
      some = some || a.grad[i] != 0;
    }
    EXPECT_TRUE(some) << a.spec.name;
  }
  set_trained({"identity", "embed"}, prefix.params);
  EXPECT_TRUE(prefix.params.at("head.text").trained &&
              prefix.params.at("embed.text.symbol").trained);
}

// A run that grows a prefix: the promise holds, nothing else moves, going on gives the same bits.
TEST(Identity, ARunLearnsThePrefixAndNothingElse) {
  RunKit kit;
  const std::string stages =
      text("stages: [{name: base, tokens: [4, 4], until: {steps: 6}}, {name: ",
           "own, identity: {tokens: 3}, until: {steps: 6}}]");
  const auto config_of = [&](const std::string& out) {
    const std::string yaml = kit.yaml(out);
    const size_t from = yaml.find("stages:"), to = yaml.find("optimizer:");
    return parse_config(
        parse_yaml(yaml.substr(0, from) + stages + "\n" + yaml.substr(to), "run.yaml"));
  };
  const RunConfig config = config_of("run"), again = config_of("again"), base = config_of("base");
  ASSERT_TRUE(run(config));
  copy_run(config, base, 6);
  const auto first = newest_state(base), last = newest_state(config);
  ASSERT_TRUE(first && last);
  int kept = 0;
  for (size_t i = 0; i < last->params.all().size(); ++i) {
    const Param<float>& now = last->params.all()[i];
    const std::int64_t steps = last->optimizer.regions[i].front().steps;
    EXPECT_EQ(steps, 6) << now.spec.name;  // of the one stage or of the other
    if (now.spec.name == "embed.identity") continue;
    const Param<float>& was = first->params.at(now.spec.name);
    EXPECT_EQ(std::memcmp(was.value, now.value, static_cast<size_t>(now.size) * 4), 0);
    ++kept;
  }
  EXPECT_GT(kept, 5);
  const Param<float>& prefix = last->params.at("embed.identity");
  std::vector<float> drawn(static_cast<size_t>(prefix.size));
  initial_values(prefix.spec, 3, 0, prefix.size, drawn.data());
  EXPECT_NE(std::memcmp(drawn.data(), prefix.value, drawn.size() * 4), 0);
  copy_run(config, again, 8);
  ASSERT_TRUE(run(again));
  expect_same_run(config, again);
}

// The same draws whichever way the text is read, also where the window slides.
TEST(Identity, TextsAreReadBehindThePrefix) {
  const ModelSpec spec = prefixed();
  ModelKit<float> kit(spec, 3, 11);
  const Prompts prompts = {prompt_of(0, 3), prompt_of(7, 11), prompt_of(2, 30)};
  const Prompts whole = continue_prompts(kit.model, prompts, rule_of(25));
  Stream<float> stream(spec, 3, kit.params, *kit.backend, kit.arena, 4);
  EXPECT_EQ(stream_prompts(stream, prompts, rule_of(25)), whole);
  // Another prefix makes another text; the prompt's 13 last tokens are all that is seen of it.
  Prompts seen = prompts;
  seen[2].erase(seen[2].begin(), seen[2].end() - (16 - kPrefix));
  GenerateRule one = rule_of(1);
  one.decode.temperature = 0;
  EXPECT_EQ(continue_prompts(kit.model, seen, one)[2][0].symbol,
            continue_prompts(kit.model, prompts, one)[2][0].symbol);
  Param<float>& prefix = kit.params.at("embed.identity");
  for (std::int64_t i = 0; i < prefix.size; ++i) prefix.value[i] = 1 - prefix.value[i];
  EXPECT_NE(continue_prompts(kit.model, prompts, rule_of(25)), whole);
}

TEST(Identity, TogetherEachPromptHasAPrefixOfItsOwn) {
  const ModelSpec spec = prefixed();
  ModelKit<float> one(spec, 1, 11);
  const Prompts prompts = {prompt_of(0, 3), prompt_of(7, 2)};
  const Prompts together = continue_together(one.model, prompts, rule_of(2));
  for (size_t i = 0; i < 2; ++i) {  // draws follow the window's number, so the largest logit
    GenerateRule greedy = rule_of(2);
    greedy.decode.temperature = 0;
    EXPECT_EQ(continue_together(one.model, prompts, greedy)[i],
              continue_prompts(one.model, {prompts[i]}, greedy)[0]);
  }
  EXPECT_EQ(together[0].size(), 2U);
}

TEST(Identity, AnswersAndMarksStandBehindThePrefix) {
  ModelSpec spec = prefixed();
  spec.wiring = Wiring::grid;
  ModelKit<float> kit(spec, 1, 11);
  const Prompts prompt = {prompt_of(0, 5)};
  GenerateRule rule = rule_of(0);
  EXPECT_EQ(answer_prompts(kit.model, prompt, rule)[0].size(), 16U - 5 - kPrefix);
  rule = rule_of(30);
  rule.new_item = false;
  EXPECT_EQ(unmask_prompts(kit.model, prompt, rule, {})[0].size(), 30U);
  const Prompts full = {prompt_of(0, 16 - static_cast<int>(kPrefix))};
  EXPECT_NE(message_of([&] { answer_prompts(kit.model, full, rule); }, ErrorKind::usage)
                .find("the context of 13 leaves no place"),
            std::string::npos);
}

TEST(Identity, LeavesRoomForARecord) {
  EXPECT_NE(
      message_of([] { check_spec(prefixed(16)); }, ErrorKind::usage).find("identity.tokens 16"),
      std::string::npos);
}

}  // namespace
}  // namespace ortho
