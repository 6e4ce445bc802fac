// Words: runs of letters in a text that a table knows, and which tokens may carry their word's row.
//
// A word must not be told to a model that has yet to guess its letters. Where each token predicts
// the next, the token behind a word carries it: there all its letters have been read. Where an
// input is given whole, each letter carries its word.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tensor/token.h"

namespace ortho {

enum class WordRule { none, behind, inside };

constexpr std::int64_t kMaxWordLetters = 32;  // longer runs are no words

// Letters and digits of all scripts, and the apostrophe: ASCII and the blocks of spaces and
// punctuation tell words apart.
bool is_word_letter(std::uint32_t code_point);

// The words a model knows, in the order of its table's rows. Rows never move.
class WordList {
 public:
  void extend(std::span<const std::u32string> words);  // appends those not known yet, in order

  std::int64_t size() const { return static_cast<std::int64_t>(words_.size()); }
  std::int32_t row(std::u32string_view word) const;  // -1 when not known
  const std::vector<std::u32string>& words() const { return words_; }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::u32string_view word) const {
      return std::hash<std::u32string_view>()(word);
    }
  };
  std::vector<std::u32string> words_;
  std::unordered_map<std::u32string, std::int32_t, Hash, std::equal_to<>> rows_;
};

// What a token at position `index` of a text carries: 1 + a row, or 0. `letter(i)` is the code
// point at position i of `length`.
template <class Letter>
std::int32_t word_at(const Letter& letter, std::int64_t index, std::int64_t length, WordRule rule,
                     const WordList& words) {
  const bool letters_here = is_word_letter(letter(index));
  if (rule == WordRule::none || letters_here != (rule == WordRule::inside)) return 0;
  std::int64_t first = index, behind = letters_here ? index + 1 : index;
  while (first > 0 && behind - first <= kMaxWordLetters && is_word_letter(letter(first - 1)))
    --first;
  while (letters_here && behind < length && behind - first <= kMaxWordLetters &&
         is_word_letter(letter(behind)))
    ++behind;
  if (behind == first || behind - first > kMaxWordLetters) return 0;
  std::u32string word;
  for (std::int64_t i = first; i < behind; ++i) word.push_back(letter(i));
  return words.row(word) + 1;
}

// Before the token at `at` is masked: takes the word from all its letters, or the others would tell
// what is hidden. For input[T][windows] under WordRule::inside.
void forget_word(std::span<Token> input, std::int64_t windows, std::int64_t at);

// The `most` most frequent words behind `paths`, records to train on: the
// most frequent first, equals in the order of their code points. Reads all of the data.
std::vector<std::u32string> frequent_words(const std::vector<std::string>& paths,
                                           std::int64_t most);

}  // namespace ortho
