#include "trainer/judge.h"

#include <algorithm>

#include "core/error.h"
#include "trainer/objectives.h"

namespace ortho {

Judge::Judge(Model<float>& model, const Vocabulary& vocabulary, const Stage& stage)
    : model_(model) {
  const Sharding& sharding = model.sharding();
  REQUIRE(sharding.ranks() == sharding.replicas(), "the judge has ", sharding.replicas(),
          " replicas on ", sharding.ranks(), " ranks, but each rank needs all of it: fewer ranks");
  REQUIRE(weight_of(stage.config.objective, Objective::one_shot) > 0 &&
              has_modality(model.spec(), Modality::text),
          "the judge's stage ", stage.config.name,
          " must answer text in one shot; it was trained on something else");
  rule_.decode.temperature = 0;
  rule_.only = Modality::text;
  rule_.vocabulary = &vocabulary;
  rule_.slots = stage.config.one_shot.slots;
  rule_.against_slots = stage.config.data.padding == Padding::start;
}

// Items as records of one item, whatever they were in theirs.
Prompts Judge::numbered_anew(const Prompts& items, std::span<const size_t> which) const {
  Prompts prompts;
  for (const size_t i : which) {
    const auto modality = static_cast<Modality>(items[i].front().modality);
    REQUIRE(has_modality(model_.spec(), modality), "the judge knows no ", modality_name(modality));
    prompts.push_back(items[i]);
    for (Token& token : prompts.back()) token.item = 0;
  }
  return prompts;
}

Prompts Judge::words_of(const Prompts& items) const {
  std::vector<size_t> asked;
  for (size_t i = 0; i < items.size(); ++i)
    if (!items[i].empty()) asked.push_back(i);
  Prompts words(items.size());
  const auto windows = static_cast<size_t>(model_.nodes().batch);
  for (size_t first = 0; first < asked.size(); first += windows) {
    const auto some = std::span(asked).subspan(first, std::min(windows, asked.size() - first));
    Prompts answers = answer_prompts(model_, numbered_anew(items, some), rule_);
    for (size_t i = 0; i < some.size(); ++i) words[some[i]] = std::move(answers[i]);
  }
  return words;
}

}  // namespace ortho
