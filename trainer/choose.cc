#include "trainer/choose.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"

namespace ortho {
namespace {

// -log softmax(logits)[symbol].
double nats_of(std::span<const float> logits, std::int32_t symbol) {
  const auto top = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - top);
  return std::log(sum) + top - static_cast<double>(logits[static_cast<size_t>(symbol)]);
}

}  // namespace

std::vector<Token> TokenChooser::choose(const std::vector<Slot>& slots, std::vector<double>* nats) {
  std::vector<Token> tokens(slots.size());
  if (nats) nats->assign(slots.size(), 0.0);
  choose_modalities(slots, tokens);
  choose_symbols(slots, Modality::text, {"text"}, tokens, nats);
  choose_symbols(slots, Modality::pixel, {"red", "green", "blue"}, tokens, nats);
  choose_symbols(slots, Modality::audio, {"audio"}, tokens, nats);
  return tokens;
}

// `step`: 0, 1, 2 for a token's symbols, 3 for its modality.
double TokenChooser::uniform(const Slot& slot, std::uint64_t step) const {
  const auto window = static_cast<std::uint64_t>(slot.window);
  return random_.uniform((window << 40) + (static_cast<std::uint64_t>(slot.turn) << 2) + step);
}

void TokenChooser::choose_modalities(const std::vector<Slot>& slots, std::vector<Token>& tokens) {
  const ModelSpec& spec = model_.spec();
  if (!spec.modality_head) {
    for (Token& token : tokens) token.modality = static_cast<std::int32_t>(spec.modalities.front());
    return;
  }
  std::vector<std::int32_t> rows;
  for (const Slot& slot : slots) rows.push_back(slot.row);
  std::vector<float> logits(rows.size() * kModalities);
  model_.head().logits("modality", rows, {}, logits.data());
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::span<float> row = std::span(logits).subspan(i * kModalities, kModalities);
    for (int m = 0; m < kModalities; ++m)
      if (!allowed(static_cast<Modality>(m)))
        row[static_cast<size_t>(m)] = -std::numeric_limits<float>::infinity();
    tokens[i].modality = choose_symbol(row, rule_.decode, uniform(slots[i], 3));
  }
}

bool TokenChooser::allowed(Modality modality) const {
  if (modality == Modality::none) return rule_.may_end;
  return has_modality(model_.spec(), modality) && (!rule_.only || *rule_.only == modality);
}

void TokenChooser::choose_symbols(const std::vector<Slot>& slots, Modality modality,
                                  const std::vector<std::string>& heads, std::vector<Token>& tokens,
                                  std::vector<double>* nats) {
  std::vector<size_t> mine;
  std::vector<std::int32_t> at;
  for (size_t i = 0; i < slots.size(); ++i)
    if (tokens[i].modality == static_cast<std::int32_t>(modality)) {
      mine.push_back(i);
      at.push_back(slots[i].row);
    }
  if (mine.empty()) return;
  std::vector<std::vector<std::int32_t>> given;
  for (size_t h = 0; h < heads.size(); ++h) {
    const auto classes = static_cast<size_t>(model_.head().classes(heads[h]));
    std::vector<float> logits(at.size() * classes);
    model_.head().logits(heads[h], at, given, logits.data());
    std::vector<std::int32_t> chosen;
    for (size_t n = 0; n < at.size(); ++n) {
      const std::span<const float> row = std::span(logits).subspan(n * classes, classes);
      chosen.push_back(choose_symbol(row, rule_.decode, uniform(slots[mine[n]], h)));
      tokens[mine[n]].symbol[h] = chosen.back();
      if (nats) (*nats)[mine[n]] += nats_of(row, chosen.back());
    }
    given.push_back(std::move(chosen));
  }
}

void set_place(const GenerateRule& rule, std::int64_t index, Token& token) {
  const auto at = static_cast<std::int32_t>(index);
  if (token.modality == static_cast<std::int32_t>(Modality::pixel) && rule.image_width > 0) {
    const auto width = static_cast<std::int32_t>(rule.image_width);
    token.place = {at / width, at % width, 0};
  } else {
    token.place = {at, 0, 0};
  }
}

std::int64_t tokens_of_last_item(const std::vector<Token>& prompt) {
  std::int64_t count = 0;
  while (count < static_cast<std::int64_t>(prompt.size()) &&
         prompt[prompt.size() - 1 - static_cast<size_t>(count)].item == prompt.back().item)
    ++count;
  return count;
}

}  // namespace ortho
