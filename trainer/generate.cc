#include "trainer/generate.h"

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "trainer/token_chooser.h"

namespace ortho {
namespace {

// Puts the prefix and as many of each text's last tokens as fit behind it into its column; returns the open ones' last tokens.
std::vector<Slot> lay_last_tokens(const std::vector<Writing>& all, std::int64_t prefix,
                                  Batch& batch) {
  std::vector<Slot> slots;
  batch.input.assign(batch.input.size(), Token{});
  for (size_t w = 0; w < all.size(); ++w) {
    if (all[w].ended()) continue;
    const std::int64_t size = all[w].size(), count = std::min(size, batch.tokens - prefix);
    lay_prefix(prefix, static_cast<std::int64_t>(w), batch);
    for (std::int64_t t = 0; t < count; ++t)
      batch.input[static_cast<size_t>((prefix + t) * batch.windows) + w] =
          all[w].tokens()[static_cast<size_t>(size - count + t)];
    const auto window = static_cast<std::int64_t>(w);
    slots.push_back({static_cast<std::int32_t>((prefix + count - 1) * batch.windows + window),
                     window, all[w].made()});
  }
  return slots;
}

}  // namespace

void check_prompts(const ModelSpec& spec, std::int64_t windows, const Prompts& prompts,
                   const GenerateRule& rule, Objective objective) {
  REQUIRE(!rule.only || has_modality(spec, *rule.only), "the model does not know ",
          rule.only ? modality_name(*rule.only) : "");
  const std::int64_t tokens = context(spec) - spec.identity;
  REQUIRE(windows <= std::numeric_limits<std::int32_t>::max() / context(spec), windows,
          " windows of ", context(spec),
          " tokens: their rows are numbered with 32 bits. Use fewer windows.");
  REQUIRE(static_cast<std::int64_t>(prompts.size()) <= windows, prompts.size(), " prompts for ",
          windows, " windows");
  for (const auto& prompt : prompts) {
    REQUIRE(objective == Objective::diffusion || !prompt.empty(),
            "a prompt is empty; give at least one token to go on from");
    const auto used =
        static_cast<std::int64_t>(prompt.size()) + std::max<std::int64_t>(1, rule.slots);
    REQUIRE(objective != Objective::one_shot || used <= tokens, "the prompt has ", prompt.size(),
            " tokens; the context of ", tokens, " leaves no place for an answer of ",
            std::max<std::int64_t>(1, rule.slots));
  }
}

Prompts continue_prompts(Model<float>& model, const Prompts& prompts, const GenerateRule& rule) {
  check_prompts(model.spec(), model.nodes().batch, prompts, rule, Objective::next_token);
  REQUIRE(rule.when_full == WhenFull::slide,
          "where the whole window is read for each token it slides: nothing else costs less");
  std::vector<Writing> all;
  for (const auto& prompt : prompts) all.emplace_back(prompt, rule);
  const TokenChooser chooser(model.spec(), model.head(), rule);
  Batch batch = empty_batch(model.nodes().tokens, model.nodes().batch, 0);
  const std::int64_t prefix = model.spec().identity;
  for (auto slots = lay_last_tokens(all, prefix, batch); !slots.empty();
       slots = lay_last_tokens(all, prefix, batch)) {
    model.run(batch);
    const auto chosen = chooser.choose(slots);
    for (size_t i = 0; i < slots.size(); ++i)
      all[static_cast<size_t>(slots[i].window)].add(rule, chosen[i]);
  }
  Prompts added;
  for (const Writing& writing : all) added.push_back(writing.added());
  return added;
}

Prompts answer_prompts(Model<float>& model, const Prompts& prompts, const GenerateRule& rule) {
  check_prompts(model.spec(), model.nodes().batch, prompts, rule, Objective::one_shot);
  Batch batch = empty_batch(model.nodes().tokens, model.nodes().batch, 0);
  WindowRule window_rule;
  window_rule.objective = Objective::one_shot;
  window_rule.prefix = model.spec().identity;
  window_rule.tokens = batch.tokens - window_rule.prefix;
  window_rule.slots = rule.slots;
  std::vector<Slot> slots;
  std::vector<size_t> first_slot;
  for (size_t w = 0; w < prompts.size(); ++w) {
    const auto used =
        rule.slots > 0 ? window_rule.input_room() : static_cast<std::int64_t>(prompts[w].size());
    const auto window = static_cast<std::int64_t>(w);
    lay_prefix(window_rule.prefix, window, batch);
    const std::int64_t before =
        rule.against_slots ? used - static_cast<std::int64_t>(prompts[w].size()) : 0;
    lay_one_shot(prompts[w], {}, prompts[w].back().item + 1, before, window_rule, window, batch,
                 rule.only.value_or(Modality::none));
    first_slot.push_back(slots.size());
    const std::int64_t count = rule.tokens > 0 ? std::min(rule.tokens, window_rule.tokens - used)
                                               : window_rule.tokens - used;
    const std::int64_t first = window_rule.prefix + used;
    for (std::int64_t t = 0; t < count; ++t)
      slots.push_back({static_cast<std::int32_t>((first + t) * batch.windows + window), window, t});
  }
  first_slot.push_back(slots.size());
  model.run(batch);
  const auto chosen = TokenChooser(model.spec(), model.head(), rule).choose(slots);
  Prompts answers;
  for (size_t w = 0; w < prompts.size(); ++w) {
    GenerateRule one = rule;
    one.new_item = true;
    one.tokens = static_cast<std::int64_t>(first_slot[w + 1] - first_slot[w]);
    Writing writing(prompts[w], one);
    for (size_t s = first_slot[w]; s < first_slot[w + 1] && !writing.ended(); ++s)
      writing.add(one, chosen[s]);
    answers.push_back(writing.added());
  }
  return answers;
}

}  // namespace ortho
