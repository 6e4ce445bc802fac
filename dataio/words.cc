#include "dataio/words.h"

#include <algorithm>

#include "dataio/dataset.h"

namespace ortho {
namespace {

struct Block {
  std::uint32_t first, last;
};

// Spaces, punctuation and signs beyond ASCII: Latin-1, general punctuation to miscellaneous
// symbols, CJK and full-width punctuation.
constexpr Block kBetweenWords[] = {
    {0x80, 0xA9},     {0xAB, 0xB4},     {0xB6, 0xB9},     {0xBB, 0xBF},     {0xD7, 0xD7},
    {0xF7, 0xF7},     {0x1680, 0x1680}, {0x2000, 0x206F}, {0x20A0, 0x20CF}, {0x2190, 0x2BFF},
    {0x3000, 0x303F}, {0xFE10, 0xFE6F}, {0xFEFF, 0xFEFF}, {0xFF00, 0xFF0F}, {0xFF1A, 0xFF20}};

// Each run of letters of a text, as WordList counts them.
template <class Take>
void for_each_word(const std::vector<std::uint32_t>& text, const Take& take) {
  std::u32string word;
  for (const std::uint32_t letter : text) {
    if (is_word_letter(letter)) {
      word.push_back(letter);
      continue;
    }
    take(word);
    word.clear();
  }
  take(word);
}

}  // namespace

bool is_word_letter(std::uint32_t c) {
  if (c < 0x80)
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '\'';
  return std::none_of(std::begin(kBetweenWords), std::end(kBetweenWords),
                      [c](const Block& block) { return c >= block.first && c <= block.last; });
}

void WordList::extend(std::span<const std::u32string> words) {
  for (const std::u32string& word : words)
    if (rows_.try_emplace(word, static_cast<std::int32_t>(words_.size())).second)
      words_.push_back(word);
}

std::int32_t WordList::row(std::u32string_view word) const {
  const auto found = rows_.find(word);
  return found == rows_.end() ? -1 : found->second;
}

void forget_word(std::span<Token> input, std::int64_t windows, std::int64_t at) {
  const Token masked = input[static_cast<std::size_t>(at)];
  if (masked.word == 0) return;
  const auto same = [&](std::int64_t i) {
    if (i < 0 || i >= static_cast<std::int64_t>(input.size())) return false;
    const Token& token = input[static_cast<std::size_t>(i)];
    return token.word == masked.word && token.item == masked.item;
  };
  for (const std::int64_t step : {-windows, windows})
    for (std::int64_t i = at + step; same(i); i += step)
      input[static_cast<std::size_t>(i)].word = 0;
  input[static_cast<std::size_t>(at)].word = 0;
}

std::vector<std::u32string> frequent_words(const std::vector<std::string>& paths,
                                           std::int64_t most) {
  std::unordered_map<std::u32string, std::int64_t> counts;
  const Dataset data(paths, Split::train);
  for (std::int64_t r = 0; r < data.records(); ++r)
    for (const Part& part : data.record(r).parts) {
      if (part.kind != PartKind::text) continue;
      for_each_word(code_points(part.bytes.data(), part.dtype, part.shape[0]),
                    [&](const std::u32string& word) {
                      if (!word.empty() && word.size() <= kMaxWordLetters) ++counts[word];
                    });
    }
  std::vector<std::pair<std::int64_t, std::u32string>> sorted;
  for (const auto& [word, count] : counts) sorted.emplace_back(-count, word);
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::u32string> words;
  for (auto& [count, word] : sorted) {
    if (static_cast<std::int64_t>(words.size()) == most) break;
    words.push_back(std::move(word));
  }
  return words;
}

}  // namespace ortho
