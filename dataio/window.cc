#include "dataio/window.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "core/error.h"
#include "dataio/sampler.h"

namespace ortho {
namespace {

Target target_of(const Token& token) {
  return {1, token.modality, token.symbol, token.place, token.item};
}

constexpr Target kEnd = {1, static_cast<std::int32_t>(Modality::none), {}, {}, 0};

}  // namespace

WordRule word_rule(Objective objective) {
  switch (objective) {
    case Objective::next_token:
      return WordRule::behind;
    case Objective::one_shot:
    case Objective::diffusion:
      return WordRule::inside;
  }
  return WordRule::none;
}

std::string objective_name(Objective objective) {
  constexpr std::array<const char*, kObjectives> kNames = {"next_token", "one_shot", "diffusion"};
  return kNames[static_cast<std::size_t>(objective)];
}

std::int64_t spare_before(Padding padding, std::int64_t spare,
                          const std::function<std::int64_t()>& drawn) {
  if (padding == Padding::random) return drawn();
  return padding == Padding::start ? spare : 0;
}

std::int64_t total_tokens(std::span<const ItemSize> items) {
  return std::accumulate(items.begin(), items.end(), std::int64_t{0},
                         [](std::int64_t sum, const ItemSize& item) { return sum + item.tokens; });
}

std::optional<OneShot> plan_one_shot(std::span<const ItemSize> items, const WindowRule& rule) {
  OneShot plan;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const bool is_output = rule.output ? items[i].modality == *rule.output : i + 1 == items.size();
    (is_output ? plan.outputs : plan.inputs).push_back(i);
    (is_output ? plan.output_tokens : plan.input_tokens) += items[i].tokens;
  }
  if (plan.outputs.empty() || plan.inputs.empty()) return std::nullopt;
  const bool fits = rule.slots > 0
                        ? plan.input_tokens <= rule.input_room() && plan.output_tokens <= rule.slots
                        : plan.input_tokens + plan.output_tokens <= rule.tokens;
  if (fits) return plan;
  if (!rule.cut) return std::nullopt;
  if (rule.slots > 0) {
    plan.input_tokens = std::min(plan.input_tokens, rule.input_room());
    plan.output_tokens = std::min(plan.output_tokens, rule.slots);
    return plan;
  }
  const std::int64_t kept = std::max(rule.tokens - plan.output_tokens, rule.tokens / 2);
  plan.input_tokens = std::min(plan.input_tokens, kept);
  plan.output_tokens = std::min(plan.output_tokens, rule.tokens - plan.input_tokens);
  return plan;
}

std::int64_t OneShot::spare(const WindowRule& rule) const {
  return rule.slots > 0 ? rule.input_room() - input_tokens
                        : rule.tokens - input_tokens - output_tokens;
}

std::int64_t windows_of(std::span<const ItemSize> items, const WindowRule& rule) {
  if (rule.objective == Objective::one_shot) return plan_one_shot(items, rule) ? 1 : 0;
  return count_windows(total_tokens(items), rule.tokens);
}

void lay_next_token(std::int64_t index, std::int64_t before, std::int64_t length,
                    const WindowRule& rule, const ReadTokens& read, std::int64_t window,
                    Batch& batch) {
  const std::int64_t origin = index * rule.tokens - before;  // the token at place 0
  const Range inside{std::clamp<std::int64_t>(origin, 0, length),
                     std::clamp<std::int64_t>(origin + rule.tokens, 0, length)};
  if (inside.size() == 0) return;
  std::vector<Token> tokens;
  read({inside.lo, std::min(inside.hi + 1, length)}, tokens);  // and the one that the last predicts
  for (std::int64_t t = inside.lo; t < inside.hi; ++t) {
    const auto from = static_cast<std::size_t>(t - inside.lo);
    const auto to = static_cast<std::size_t>((rule.prefix + t - origin) * batch.windows + window);
    batch.input[to] = tokens[from];
    if (t + 1 < length)
      batch.target[to] = target_of(tokens[from + 1]);
    else if (rule.score_end)
      batch.target[to] = kEnd;
  }
}

void lay_one_shot(std::span<const Token> input, std::span<const Token> output,
                  std::int32_t output_item, std::int64_t before, const WindowRule& rule,
                  std::int64_t window, Batch& batch, Modality asked) {
  const auto place = [&](std::int64_t p) {
    return static_cast<std::size_t>((rule.prefix + p) * batch.windows + window);
  };
  const auto inputs = static_cast<std::int64_t>(input.size());
  const auto outputs = static_cast<std::int64_t>(output.size());
  ASSERT(before + inputs + std::max(outputs, rule.slots) <= rule.tokens &&
         (rule.slots == 0 || outputs <= rule.slots));
  for (std::int64_t i = 0; i < inputs; ++i)
    batch.input[place(before + i)] = input[static_cast<std::size_t>(i)];
  const std::int64_t first_slot = rule.slots > 0 ? rule.input_room() : before + inputs;
  if (!output.empty()) asked = static_cast<Modality>(output.front().modality);
  for (std::int64_t p = first_slot; p < rule.tokens; ++p) {
    const auto slot = static_cast<std::size_t>(p - first_slot);
    Token& query = batch.input[place(p)];
    query.modality = static_cast<std::int32_t>(Modality::query);
    query.item = output_item;
    query.place[0] = static_cast<std::int32_t>(slot);
    query.symbol[0] = static_cast<std::int32_t>(asked);
    if (slot < output.size())
      batch.target[place(p)] = target_of(output[slot]);
    else if (rule.slots == 0 || slot == output.size())
      batch.target[place(p)] = kEnd;
  }
}

void lay_prefix(std::int64_t count, std::int64_t window, Batch& batch) {
  for (std::int64_t p = 0; p < count; ++p)
    batch.input[static_cast<std::size_t>(p * batch.windows + window)] = identity_token(p);
}

Batch empty_batch(std::int64_t tokens, std::int64_t windows, std::int64_t first_window,
                  Objective objective) {
  const auto places = static_cast<std::size_t>(checked_product(tokens, windows));
  Batch batch = {tokens, windows, first_window, std::vector<Token>(places),
                 std::vector<Target>(places)};
  batch.window_means = objective == Objective::diffusion;
  return batch;
}

}  // namespace ortho
