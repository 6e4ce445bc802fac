#include "trainer/token_chooser.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "core/error.h"

namespace ortho {
namespace {

// Which of a token's draws: 0, 1, 2 for its symbols, 3 for its modality.
constexpr std::uint64_t kModalityDraw = 3;
// And of its places: 0, 1, 2 for the axes, 3 for the item.
constexpr std::uint64_t kItemDraw = 3;

double uniform(const Random& random, const Slot& slot, std::uint64_t draw) {
  const auto window = static_cast<std::uint64_t>(slot.window);
  return random.uniform((window << 40) + (static_cast<std::uint64_t>(slot.turn) << 2) + draw);
}

// -log softmax(logits)[symbol].
double nats_of(std::span<const float> logits, std::int32_t symbol) {
  const auto top = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - top);
  return std::log(sum) + top - static_cast<double>(logits[static_cast<size_t>(symbol)]);
}

}  // namespace

TokenChooser::TokenChooser(const ModelSpec& spec, Head<float>& head, const GenerateRule& rule)
    : spec_(spec),
      head_(head),
      rule_(rule),
      random_(rule.decode.seed, "generate"),
      places_(rule.decode.seed, "generate/places") {
  REQUIRE(!rule.places_by_heads || spec.place_heads || spec.item_head,
          "places can be asked of heads only where the model has some: train with "
          "model.place_heads or model.item_head");
}

std::vector<Token> TokenChooser::choose(const std::vector<Slot>& slots,
                                        std::vector<double>* nats) const {
  std::vector<Token> tokens(slots.size());
  if (nats) nats->assign(slots.size(), 0.0);
  if (slots.empty()) return tokens;
  choose_modalities(slots, tokens);
  choose_symbols(slots, Modality::text, {"text"}, tokens, nats);
  choose_symbols(slots, Modality::pixel, {"red", "green", "blue"}, tokens, nats);
  choose_symbols(slots, Modality::audio, {"audio"}, tokens, nats);
  for (Token& token : tokens) token.place = {-1, -1, -1}, token.item = -1;
  if (rule_.places_by_heads) choose_places(slots, tokens);
  return tokens;
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
    tokens[i].modality =
        choose_symbol(row, rule_.decode, uniform(random_, slots[i], kModalityDraw));
  }
}

bool TokenChooser::allowed(Modality modality) const {
  if (modality == Modality::none) return rule_.may_end;
  return has_modality(spec_, modality) && (!rule_.only || *rule_.only == modality);
}

void TokenChooser::choose_symbols(const std::vector<Slot>& slots, Modality modality,
                                  const std::vector<std::string>& heads, std::vector<Token>& tokens,
                                  std::vector<double>* nats) const {
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
      chosen.push_back(choose_symbol(row, rule_.decode, uniform(random_, slots[mine[n]], h)));
      tokens[mine[n]].symbol[h] = chosen.back();
      if (nats) (*nats)[mine[n]] += nats_of(row, chosen.back());
    }
    given.push_back(std::move(chosen));
  }
}

// Each place and the item by itself: none is given to another.
void TokenChooser::choose_places(const std::vector<Slot>& slots, std::vector<Token>& tokens) const {
  const auto ask = [&](const std::string& head, std::uint64_t draw, auto wants, auto set) {
    std::vector<size_t> mine;
    std::vector<std::int32_t> at;
    for (size_t i = 0; i < slots.size(); ++i)
      if (wants(tokens[i])) {
        mine.push_back(i);
        at.push_back(slots[i].row);
      }
    const auto classes = static_cast<size_t>(head_.classes(head));
    std::vector<float> logits(at.size() * classes);
    if (!mine.empty()) head_.logits(head, at, {}, logits.data());
    for (size_t n = 0; n < mine.size(); ++n)
      set(tokens[mine[n]], choose_symbol(std::span(logits).subspan(n * classes, classes),
                                         rule_.decode, uniform(places_, slots[mine[n]], draw)));
  };
  for (const PlaceHead& place : place_heads(spec_)) {
    const auto axis = static_cast<size_t>(place.axis);
    ask(
        place.name, axis,
        [&](const Token& token) {
          return token.modality == static_cast<std::int32_t>(place.modality);
        },
        [&](Token& token, std::int32_t value) { token.place[axis] = value; });
  }
  if (!spec_.item_head) return;
  ask(
      "item", kItemDraw, [](const Token& token) { return token.modality != 0; },
      [](Token& token, std::int32_t value) { token.item = value; });
}

}  // namespace ortho
