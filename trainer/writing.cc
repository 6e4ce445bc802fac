#include "trainer/writing.h"

namespace ortho {
namespace {

// How many tokens at the prompt's end belong to the item that goes on.
std::int64_t tokens_of_last_item(const std::vector<Token>& prompt) {
  std::int64_t count = 0;
  while (count < static_cast<std::int64_t>(prompt.size()) &&
         prompt[prompt.size() - 1 - static_cast<size_t>(count)].item == prompt.back().item)
    ++count;
  return count;
}

}  // namespace

void set_place(const GenerateRule& rule, std::int64_t index, Token& token) {
  const auto at = static_cast<std::int32_t>(index);
  if (token.modality == static_cast<std::int32_t>(Modality::pixel) && rule.image_width > 0) {
    const auto width = static_cast<std::int32_t>(rule.image_width);
    token.place = {at / width, at % width, 0};
  } else {
    token.place = {at, 0, 0};
  }
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
  token.item = item_;
  set_place(rule, index_++, token);
  tokens_.push_back(token);
  ended_ = made() >= rule.tokens;
}

}  // namespace ortho
