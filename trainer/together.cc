// Several prompts in one window. See trainer/generate.h.
#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "trainer/generate.h"
#include "trainer/token_chooser.h"

namespace ortho {
namespace {

// Where the prompts lie in the one window, and how many tokens each may get.
struct Seats {
  std::vector<std::int64_t> starts;
  std::int64_t room;
};

Seats seats_of(const Model<float>& model, const Prompts& prompts, const GenerateRule& rule) {
  const std::int64_t tokens = model.nodes().tokens;
  REQUIRE(rule.slots == 0,
          "this model was trained with one_shot.slots at the window's end; prompts that share a "
          "window have theirs behind themselves. Give them windows of their own.");
  REQUIRE(model.nodes().batch == 1, "prompts that share a window need a model of one window, not ",
          model.nodes().batch);
  std::int64_t used = 0;
  for (const auto& prompt : prompts) used += static_cast<std::int64_t>(prompt.size());
  const auto count = static_cast<std::int64_t>(prompts.size());
  Seats seats = {{}, (tokens - used) / count};
  REQUIRE(seats.room >= 1, "the ", count, " prompts have ", used, " tokens; the one window of ",
          tokens, " leaves no place for an answer to each. Give them windows of their own.");
  if (rule.tokens > 0) seats.room = std::min(seats.room, rule.tokens);
  std::int64_t start = 0;
  for (const auto& prompt : prompts) {
    seats.starts.push_back(start);
    start += static_cast<std::int64_t>(prompt.size()) + seats.room;
  }
  return seats;
}

// Each prompt behind a prefix of its own: what it has alone in a window.
Prompts with_prefix(const ModelSpec& spec, Prompts prompts) {
  std::vector<Token> prefix;
  for (std::int64_t p = 0; p < spec.identity; ++p) prefix.push_back(identity_token(p));
  for (std::vector<Token>& prompt : prompts)
    prompt.insert(prompt.begin(), prefix.begin(), prefix.end());
  return prompts;
}

GenerateRule with_room(GenerateRule rule, std::int64_t room) {
  rule.tokens = room;
  return rule;
}

}  // namespace

Prompts continue_together(Model<float>& model, const Prompts& given, const GenerateRule& rule) {
  check_prompts(model.spec(), static_cast<std::int64_t>(given.size()), given, rule,
                Objective::next_token);
  const Prompts prompts = with_prefix(model.spec(), given);
  const Seats seats = seats_of(model, prompts, rule);
  const GenerateRule own = with_room(rule, seats.room);
  std::vector<Writing> all;
  for (const auto& prompt : prompts) all.emplace_back(prompt, own);
  const TokenChooser chooser(model.spec(), model.head(), rule);
  Batch batch = empty_batch(model.nodes().tokens, 1, 0);
  while (true) {
    std::vector<Slot> slots;
    for (size_t i = 0; i < all.size(); ++i) {
      const std::int64_t start = seats.starts[i];
      std::copy(all[i].tokens().begin(), all[i].tokens().end(), batch.input.begin() + start);
      if (!all[i].ended())
        slots.push_back({static_cast<std::int32_t>(start + all[i].size() - 1),
                         static_cast<std::int64_t>(i), all[i].made()});
    }
    if (slots.empty()) break;
    model.run(batch, seats.starts);
    const auto chosen = chooser.choose(slots);
    for (size_t i = 0; i < slots.size(); ++i)
      all[static_cast<size_t>(slots[i].window)].add(own, chosen[i]);
  }
  Prompts added;
  for (const Writing& writing : all) added.push_back(writing.added());
  return added;
}

Prompts answer_together(Model<float>& model, const Prompts& given, const GenerateRule& rule) {
  check_prompts(model.spec(), static_cast<std::int64_t>(given.size()), given, rule,
                Objective::one_shot);
  const Prompts prompts = with_prefix(model.spec(), given);
  const Seats seats = seats_of(model, prompts, rule);
  GenerateRule own = with_room(rule, seats.room);
  own.new_item = true;
  Batch batch = empty_batch(model.nodes().tokens, 1, 0);
  std::vector<Slot> slots;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const auto used = static_cast<std::int64_t>(prompts[i].size());
    const std::int64_t first = seats.starts[i] + used;
    WindowRule window_rule;
    window_rule.objective = Objective::one_shot;
    window_rule.tokens = i + 1 < prompts.size() ? seats.starts[i + 1] : batch.tokens;
    lay_one_shot(prompts[i], {}, prompts[i].back().item + 1, seats.starts[i], window_rule, 0, batch,
                 rule.only.value_or(Modality::none));
    for (std::int64_t t = 0; t < seats.room; ++t)
      slots.push_back({static_cast<std::int32_t>(first + t), static_cast<std::int64_t>(i), t});
  }
  model.run(batch, seats.starts);
  const auto chosen = TokenChooser(model.spec(), model.head(), rule).choose(slots);
  Prompts answers;
  for (size_t i = 0; i < prompts.size(); ++i) {
    Writing writing(prompts[i], own);
    for (std::int64_t t = 0; t < seats.room && !writing.ended(); ++t)
      writing.add(own, chosen[i * static_cast<size_t>(seats.room) + static_cast<size_t>(t)]);
    answers.push_back(writing.added());
  }
  return answers;
}

}  // namespace ortho
