#include "trainer/writing.h"

namespace ortho {

std::int64_t tokens_of_last_item(const std::vector<Token>& prompt) {
  std::int64_t count = 0;
  while (count < static_cast<std::int64_t>(prompt.size()) &&
         prompt[prompt.size() - 1 - static_cast<size_t>(count)].item == prompt.back().item)
    ++count;
  return count;
}

std::array<std::int32_t, 3> place_of(const GenerateRule& rule, std::int64_t index,
                                     std::int32_t modality) {
  const auto at = static_cast<std::int32_t>(index);
  if (modality != static_cast<std::int32_t>(Modality::pixel) || rule.image_width == 0)
    return {at, 0, 0};
  const auto width = static_cast<std::int32_t>(rule.image_width);
  const std::int32_t row = at / width, column = at % width;
  if (rule.image_height == 0) return {row, column, 0};
  const auto height = static_cast<std::int32_t>(rule.image_height);
  return {row % height, column, row / height};
}

Writing::Writing(const std::vector<Token>& prompt, const GenerateRule& rule)
    : tokens_(prompt),
      prompt_(static_cast<std::int64_t>(prompt.size())),
      index_(rule.new_item ? 0 : tokens_of_last_item(prompt)),
      item_(prompt.back().item + (rule.new_item ? 1 : 0)),
      ended_(rule.tokens <= 0) {}

std::vector<Token> Writing::added() const {
  return {tokens_.begin() + static_cast<std::ptrdiff_t>(prompt_), tokens_.end()};
}

void Writing::add(const GenerateRule& rule, Token token) {
  ended_ = token.modality == static_cast<std::int32_t>(Modality::none);
  if (ended_) return;
  if (token.item < 0) token.item = item_;
  const std::array<std::int32_t, 3> place = place_of(rule, index_++, token.modality);
  for (size_t axis = 0; axis < place.size(); ++axis)
    if (token.place[axis] < 0) token.place[axis] = place[axis];
  if (rule.vocabulary != nullptr) token.word = word_behind(tokens_, token, *rule.vocabulary);
  tokens_.push_back(token);
  ended_ = made() >= rule.tokens;
}

}  // namespace ortho
