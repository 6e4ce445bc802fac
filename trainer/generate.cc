#include "trainer/generate.h"

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "trainer/choose.h"

namespace ortho {
namespace {

struct Writing {
  std::vector<Token> tokens;  // prompt and what was added
  std::int64_t index = 0;     // place of the next token in its item
  std::int32_t item = 0;
  bool ended = false;
};

// Puts the last T tokens of each text into its column; returns the open ones' last tokens.
std::vector<Slot> lay_last_tokens(const std::vector<Writing>& all, std::int64_t turn,
                                  Batch& batch) {
  std::vector<Slot> slots;
  batch.input.assign(batch.input.size(), Token{});
  for (size_t w = 0; w < all.size(); ++w) {
    if (all[w].ended) continue;
    const auto size = static_cast<std::int64_t>(all[w].tokens.size());
    const std::int64_t count = std::min(size, batch.tokens);
    for (std::int64_t t = 0; t < count; ++t)
      batch.input[static_cast<size_t>(t * batch.windows) + w] =
          all[w].tokens[static_cast<size_t>(size - count + t)];
    const auto window = static_cast<std::int64_t>(w);
    slots.push_back(
        {static_cast<std::int32_t>((count - 1) * batch.windows + window), window, turn});
  }
  return slots;
}

}  // namespace

void check_prompts(const Model<float>& model, const std::vector<std::vector<Token>>& prompts,
                   const GenerateRule& rule, Objective objective) {
  REQUIRE(!rule.only || has_modality(model.spec(), *rule.only), "the model does not know ",
          rule.only ? modality_name(*rule.only) : "");
  const std::int64_t tokens = model.nodes().tokens, windows = model.nodes().batch;
  REQUIRE(windows <= std::numeric_limits<std::int32_t>::max() / tokens, windows, " windows of ",
          tokens, " tokens: their rows are numbered with 32 bits. Use fewer windows.");
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

std::vector<std::vector<Token>> continue_prompts(Model<float>& model,
                                                 const std::vector<std::vector<Token>>& prompts,
                                                 const GenerateRule& rule) {
  check_prompts(model, prompts, rule, Objective::next_token);
  std::vector<Writing> all;
  for (const auto& prompt : prompts)
    all.push_back({prompt, rule.new_item ? 0 : tokens_of_last_item(prompt),
                   prompt.back().item + (rule.new_item ? 1 : 0)});
  TokenChooser chooser(model, rule);
  Batch batch = empty_batch(model.nodes().tokens, model.nodes().batch, 0);
  for (std::int64_t n = 0; n < rule.tokens; ++n) {
    const auto slots = lay_last_tokens(all, n, batch);
    if (slots.empty()) break;
    model.run(batch);
    const auto chosen = chooser.choose(slots);
    for (size_t i = 0; i < slots.size(); ++i) {
      Writing& writing = all[static_cast<size_t>(slots[i].window)];
      Token token = chosen[i];
      writing.ended = token.modality == 0;
      if (writing.ended) continue;
      token.item = writing.item;
      set_place(rule, writing.index++, token);
      writing.tokens.push_back(token);
    }
  }
  std::vector<std::vector<Token>> added;
  for (size_t w = 0; w < all.size(); ++w)
    added.emplace_back(all[w].tokens.begin() + static_cast<std::ptrdiff_t>(prompts[w].size()),
                       all[w].tokens.end());
  return added;
}

std::vector<std::vector<Token>> answer_prompts(Model<float>& model,
                                               const std::vector<std::vector<Token>>& prompts,
                                               const GenerateRule& rule) {
  check_prompts(model, prompts, rule, Objective::one_shot);
  Batch batch = empty_batch(model.nodes().tokens, model.nodes().batch, 0);
  WindowRule window_rule;
  window_rule.objective = Objective::one_shot;
  window_rule.tokens = batch.tokens;
  window_rule.slots = rule.slots;
  std::vector<Slot> slots;
  std::vector<size_t> first_slot;
  for (size_t w = 0; w < prompts.size(); ++w) {
    const auto used =
        rule.slots > 0 ? window_rule.input_room() : static_cast<std::int64_t>(prompts[w].size());
    const auto window = static_cast<std::int64_t>(w);
    lay_one_shot(prompts[w], {}, prompts[w].back().item + 1, 0, window_rule, window, batch,
                 rule.only.value_or(Modality::none));
    first_slot.push_back(slots.size());
    const std::int64_t count =
        rule.tokens > 0 ? std::min(rule.tokens, batch.tokens - used) : batch.tokens - used;
    for (std::int64_t t = used; t < used + count; ++t)
      slots.push_back({static_cast<std::int32_t>(t * batch.windows + window), window, t - used});
  }
  first_slot.push_back(slots.size());
  model.run(batch);
  const auto chosen = TokenChooser(model, rule).choose(slots);
  std::vector<std::vector<Token>> answers(prompts.size());
  for (size_t w = 0; w < prompts.size(); ++w)
    for (size_t r = first_slot[w]; r < first_slot[w + 1] && chosen[r].modality != 0; ++r) {
      Token token = chosen[r];
      token.item = prompts[w].back().item + 1;
      set_place(rule, static_cast<std::int64_t>(answers[w].size()), token);
      answers[w].push_back(token);
    }
  return answers;
}

}  // namespace ortho
