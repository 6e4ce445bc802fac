#include "trainer/token_chooser.h"

#include <limits>
#include <span>
#include <utility>

namespace ortho {
namespace {

// Which of a token's draws: 0, 1, 2 for its symbols, 3 for its modality.
constexpr std::uint64_t kModalityDraw = 3;

}  // namespace

TokenChooser::TokenChooser(const ModelSpec& spec, Head<float>& head, const DecodeRule& decode,
                           std::optional<Modality> only, bool may_end)
    : spec_(spec),
      head_(head),
      decode_(decode),
      only_(only),
      may_end_(may_end),
      random_(decode.seed, "generate") {}

std::vector<Token> TokenChooser::choose(const std::vector<Slot>& slots) const {
  std::vector<Token> tokens(slots.size());
  if (slots.empty()) return tokens;
  choose_modalities(slots, tokens);
  choose_symbols(slots, Modality::text, {"text"}, tokens);
  choose_symbols(slots, Modality::pixel, {"red", "green", "blue"}, tokens);
  choose_symbols(slots, Modality::audio, {"audio"}, tokens);
  return tokens;
}

double TokenChooser::uniform(const Slot& slot, std::uint64_t step) const {
  const auto window = static_cast<std::uint64_t>(slot.window);
  return random_.uniform((window << 40) + (static_cast<std::uint64_t>(slot.turn) << 2) + step);
}

void TokenChooser::choose_modalities(const std::vector<Slot>& slots,
                                     std::vector<Token>& tokens) const {
  if (!spec_.modality_head) {
    for (Token& token : tokens)
      token.modality = static_cast<std::int32_t>(spec_.modalities.front());
    return;
  }
  std::vector<std::int32_t> rows;
  for (const Slot& slot : slots) rows.push_back(slot.row);
  std::vector<float> logits(rows.size() * kModalities);
  head_.logits("modality", rows, {}, logits.data());
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::span<float> row = std::span(logits).subspan(i * kModalities, kModalities);
    for (int m = 0; m < kModalities; ++m)
      if (!allowed(static_cast<Modality>(m)))
        row[static_cast<size_t>(m)] = -std::numeric_limits<float>::infinity();
    tokens[i].modality = choose_symbol(row, decode_, uniform(slots[i], kModalityDraw));
  }
}

bool TokenChooser::allowed(Modality modality) const {
  if (modality == Modality::none) return may_end_;
  return has_modality(spec_, modality) && (!only_ || *only_ == modality);
}

void TokenChooser::choose_symbols(const std::vector<Slot>& slots, Modality modality,
                                  const std::vector<std::string>& heads,
                                  std::vector<Token>& tokens) const {
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
    const auto classes = static_cast<size_t>(head_.classes(heads[h]));
    std::vector<float> logits(at.size() * classes);
    head_.logits(heads[h], at, given, logits.data());
    std::vector<std::int32_t> chosen;
    for (size_t n = 0; n < at.size(); ++n) {
      const std::span<const float> row = std::span(logits).subspan(n * classes, classes);
      chosen.push_back(choose_symbol(row, decode_, uniform(slots[mine[n]], h)));
      tokens[mine[n]].symbol[h] = chosen.back();
    }
    given.push_back(std::move(chosen));
  }
}

}  // namespace ortho
