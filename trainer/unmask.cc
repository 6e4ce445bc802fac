#include "trainer/unmask.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "dataio/masking.h"
#include "dataio/sampler.h"
#include "dataio/window.h"
#include "trainer/token_chooser.h"

namespace ortho {
namespace {

struct Filling {
  std::vector<Token> tokens;            // the prompt and what was filled in, or marks
  std::int64_t first = 0;               // the first mark: all before it stays
  Range shown{0, 0};                    // the tokens in the window now
  std::int64_t marks = 0;               // among them when the window was shown first
  std::vector<std::int64_t> left = {};  // numbers of the shown tokens that are still marks
};

Filling begin(const std::vector<Token>& prompt, Modality modality, const GenerateRule& rule) {
  Filling filling{prompt, static_cast<std::int64_t>(prompt.size())};
  const bool goes_on = !prompt.empty() && !rule.new_item;
  const std::int64_t before = goes_on ? tokens_of_last_item(prompt) : 0;
  Token token;
  token.modality = static_cast<std::int32_t>(modality);
  if (!prompt.empty()) token.item = prompt.back().item + (goes_on ? 0 : 1);
  for (std::int64_t i = 0; i < rule.tokens; ++i) {
    token.place = place_of(rule, before + i, token.modality);
    filling.tokens.push_back(masked(token));
  }
  return filling;
}

// Moves on to the next window that has marks, if there is one.
void show_next(std::int64_t context, Filling& filling) {
  const auto size = static_cast<std::int64_t>(filling.tokens.size());
  filling.first = std::max(filling.first, filling.shown.hi);
  std::int64_t lo = 0;
  if (size > context) lo = std::clamp<std::int64_t>(filling.first - context / 2, 0, size - context);
  filling.shown = {lo, std::min(size, lo + context)};
  filling.left.resize(
      static_cast<size_t>(std::max<std::int64_t>(0, filling.shown.hi - filling.first)));
  std::iota(filling.left.begin(), filling.left.end(), filling.first);
  filling.marks = static_cast<std::int64_t>(filling.left.size());
}

class Unmasker {
 public:
  Unmasker(Model<float>& model, const GenerateRule& rule, const UnmaskRule& unmask)
      : model_(model),
        unmask_(unmask),
        prefix_(model.spec().identity),
        seed_(rule.decode.seed),
        chooser_(model.spec(), model.head(), rule),
        batch_(empty_batch(model.nodes().tokens, model.nodes().batch, 0)) {}

  // Fills in all that is shown, each window in rounds of its own.
  void fill(std::vector<Filling>& all) {
    for (std::int64_t round = 0;; ++round) {
      const std::vector<Slot> slots = lay(all, round);
      if (slots.empty()) return;
      model_.run(batch_);
      std::vector<double> nats;
      const std::vector<Token> chosen = chooser_.choose(slots, &nats);
      for (size_t at = 0, w = 0; w < all.size(); ++w) {
        Filling& filling = all[w];
        const size_t count = filling.left.size();
        if (count == 0) continue;
        const std::int64_t after = count_windows(filling.marks * (round + 1), rounds(filling));
        keep(filling, std::span(chosen).subspan(at, count),
             order_of(w, filling, {nats.data() + at, count}),
             after - (filling.marks - static_cast<std::int64_t>(count)));
        at += count;
      }
    }
  }

 private:
  std::int64_t rounds(const Filling& filling) const {
    return unmask_.rounds > 0 ? std::min(unmask_.rounds, filling.marks) : filling.marks;
  }

  // A slot for each mark left. A mark's draws are its own in every round.
  std::vector<Slot> lay(const std::vector<Filling>& all, std::int64_t round) {
    std::vector<Slot> slots;
    std::fill(batch_.input.begin(), batch_.input.end(), Token{});
    for (size_t w = 0; w < all.size(); ++w) {
      const Filling& filling = all[w];
      const auto window = static_cast<std::int64_t>(w);
      lay_prefix(prefix_, window, batch_);
      const auto row = [&](std::int64_t t) {
        return (prefix_ + t - filling.shown.lo) * batch_.windows + window;
      };
      for (std::int64_t t = filling.shown.lo; t < filling.shown.hi; ++t)
        batch_.input[static_cast<size_t>(row(t))] = filling.tokens[static_cast<size_t>(t)];
      for (const std::int64_t t : filling.left)
        slots.push_back({static_cast<std::int32_t>(row(t)), window, t * batch_.tokens + round});
    }
    return slots;
  }

  // The marks left, those to be kept first in front: numbers into `left`.
  std::vector<size_t> order_of(size_t window, const Filling& filling,
                               std::span<const double> nats) const {
    const Random random(seed_, "unmask/order", window);
    std::vector<double> key(nats.begin(), nats.end());
    if (unmask_.order == UnmaskRule::Order::random)
      for (size_t i = 0; i < key.size(); ++i)
        key[i] = random.uniform(static_cast<std::uint64_t>(filling.left[i]));
    std::vector<size_t> order(key.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return key[a] < key[b]; });
    return order;
  }

  static void keep(Filling& filling, std::span<const Token> chosen,
                   const std::vector<size_t>& order, std::int64_t count) {
    std::vector<bool> kept(order.size(), false);
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      const size_t mark = order[i];
      Token& token = filling.tokens[static_cast<size_t>(filling.left[mark])];
      token.modality = token.symbol[1];  // the one that was hidden
      token.symbol = chosen[mark].symbol;
      kept[mark] = true;
    }
    std::vector<std::int64_t> left;
    for (size_t i = 0; i < kept.size(); ++i)
      if (!kept[i]) left.push_back(filling.left[i]);
    filling.left = std::move(left);
  }

  Model<float>& model_;
  const UnmaskRule& unmask_;
  std::int64_t prefix_;  // learned tokens before each window
  std::uint64_t seed_;
  TokenChooser chooser_;
  Batch batch_;
};

}  // namespace

std::vector<std::vector<Token>> unmask_prompts(Model<float>& model,
                                               const std::vector<std::vector<Token>>& prompts,
                                               const GenerateRule& rule, const UnmaskRule& unmask) {
  check_prompts(model.spec(), model.nodes().batch, prompts, rule, Objective::diffusion);
  REQUIRE(unmask.rounds >= 0, "rounds ", unmask.rounds, ": at least 1, or 0 for a token a round");
  GenerateRule known = rule;  // what a mark hides is not chosen
  known.only = rule.only.value_or(model.spec().modalities.front());
  known.may_end = false;
  std::vector<Filling> all;
  for (const auto& prompt : prompts) all.push_back(begin(prompt, *known.only, known));
  Unmasker unmasker(model, known, unmask);
  const auto has_marks = [](const Filling& filling) { return filling.marks > 0; };
  while (true) {
    for (Filling& filling : all) show_next(model.nodes().tokens - model.spec().identity, filling);
    if (std::none_of(all.begin(), all.end(), has_marks)) break;
    unmasker.fill(all);
  }
  std::vector<std::vector<Token>> added;
  for (size_t w = 0; w < all.size(); ++w)
    added.emplace_back(all[w].tokens.begin() + static_cast<std::ptrdiff_t>(prompts[w].size()),
                       all[w].tokens.end());
  return added;
}

}  // namespace ortho
