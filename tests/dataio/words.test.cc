#include "dataio/words.h"

#include <gtest/gtest.h>

#include "core/random.h"
#include "dataio/modality.h"
#include "dataio/window.h"
#include "tests/dataio/samples.h"
#include "tests/support/hostile.h"
#include "tests/support/make_data.h"

namespace ortho {
namespace {

std::vector<Token> tokens_of(const std::string& utf8, const Vocabulary& vocabulary, WordRule rule) {
  const Part part = text_of(utf8);
  std::vector<Token> tokens;
  tokenise(view(part), {0, count_tokens(part.kind, part.shape)}, 0, {vocabulary, 16, rule}, "t",
           tokens);
  return tokens;
}

std::vector<std::int32_t> words_of(const std::string& utf8, const Vocabulary& vocabulary,
                                   WordRule rule) {
  std::vector<std::int32_t> words;
  for (const Token& token : tokens_of(utf8, vocabulary, rule)) words.push_back(token.word);
  return words;
}

Vocabulary knowing(std::vector<std::u32string> words) {
  std::vector<std::uint32_t> all;
  for (std::uint32_t c = 32; c < 127; ++c) all.push_back(c);
  all.push_back(0x00E9);
  Vocabulary vocabulary(all);
  vocabulary.words.extend(words);
  return vocabulary;
}

using Rows = std::vector<std::int32_t>;

TEST(Words, StandBehindOrInsideAsTheRuleSays) {
  const Vocabulary vocabulary = knowing({U"it's", U"a", U"caf\u00e9"});
  EXPECT_EQ(words_of("it's a", vocabulary, WordRule::behind), (Rows{0, 0, 0, 0, 1, 0}));
  EXPECT_EQ(words_of("it's a", vocabulary, WordRule::inside), (Rows{1, 1, 1, 1, 0, 2}));
  EXPECT_EQ(words_of("it's a", vocabulary, WordRule::none), (Rows{0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(words_of("ab, a.", vocabulary, WordRule::behind), (Rows{0, 0, 0, 0, 0, 2}));
  EXPECT_EQ(words_of("caf\u00e9 ", vocabulary, WordRule::behind), (Rows{0, 0, 0, 0, 3}));
  EXPECT_EQ(words_of("x", knowing({}), WordRule::inside), Rows{0});
}

TEST(Words, LongRunsAreNone) {
  const std::string most(static_cast<std::size_t>(kMaxWordLetters), 'a'), more = most + "a";
  const Vocabulary vocabulary =
      knowing({std::u32string(most.begin(), most.end()), std::u32string(more.begin(), more.end())});
  EXPECT_EQ(words_of(most + ".", vocabulary, WordRule::behind).back(), 1);
  EXPECT_EQ(words_of(more + ".", vocabulary, WordRule::behind).back(), 0);
  EXPECT_EQ(words_of(most, vocabulary, WordRule::inside)[5], 1);
  EXPECT_EQ(words_of(more, vocabulary, WordRule::inside)[5], 0);
}

std::string drawn_text(const Random& random, std::uint64_t from, std::size_t length) {
  std::string text;
  for (std::uint64_t i = 0; i < length; ++i) text += "ab ."[random.below(from + i, 4)];
  return text;
}

const std::vector<std::u32string> kShort = {U"a", U"b", U"aa", U"ab", U"ba", U"bb", U"aba"};

// Whatever follows a token, it carries the same: what it must predict is not told.
TEST(Words, NothingOfTheFutureIsToldToNextToken) {
  const Vocabulary vocabulary = knowing(kShort);
  ASSERT_EQ(word_rule(Objective::next_token), WordRule::behind);
  int carried = 0;
  for (std::uint64_t trial = 0; trial < 200; ++trial) {
    const Random random(3, "words", trial);
    const std::string text = drawn_text(random, 0, 24);
    const std::size_t cut = 1 + random.below(99, 22);
    const std::string other = text.substr(0, cut) + drawn_text(random, 200, 24 - cut);
    const Rows one = words_of(text, vocabulary, WordRule::behind);
    const Rows two = words_of(other, vocabulary, WordRule::behind);
    for (std::size_t t = 0; t < cut; ++t) {
      EXPECT_EQ(one[t], two[t]) << text << " | " << other << " at " << t;
      carried += one[t] > 0 ? 1 : 0;
    }
  }
  EXPECT_GT(carried, 100);
}

// A window's slice, and a text as it is generated token by token, carry what the record's tokens do.
TEST(Words, SlicesAndGeneratedTextAgreeWithTheRecord) {
  const Vocabulary vocabulary = knowing(kShort);
  const std::string text = drawn_text(Random(4, "words"), 0, 60);
  const std::vector<Token> all = tokens_of(text, vocabulary, WordRule::behind);
  std::vector<Token> slice;
  const Part part = text_of(text);
  tokenise(view(part), {7, 40}, 0, {vocabulary, 16, WordRule::behind}, "t", slice);
  EXPECT_TRUE(std::equal(slice.begin(), slice.end(), all.begin() + 7));
  for (std::size_t t = 0; t < all.size(); ++t)
    EXPECT_EQ(word_behind(std::span(all).first(t), all[t], vocabulary), all[t].word) << t;
  Token other_item = all[10];
  other_item.item = 1;  // begins a text of its own: nothing is behind it
  EXPECT_EQ(word_behind(std::span(all).first(10), other_item, vocabulary), 0);
}

// After a letter is hidden, nothing in the window depends on what it was.
TEST(Words, AMaskedLettersWordIsForgotten) {
  const Vocabulary vocabulary = knowing(kShort);
  std::vector<Token> tokens = tokens_of("aba ab aba", vocabulary, WordRule::inside);
  std::vector<Token> batch;  // two windows side by side
  for (const Token& token : tokens) batch.insert(batch.end(), {token, token});
  forget_word(batch, 2, 2 * 8);  // the middle of the last word of window 0
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    EXPECT_EQ(batch[2 * t].word, t < 7 ? tokens[t].word : 0) << t;
    EXPECT_EQ(batch[2 * t + 1].word, tokens[t].word) << t;
  }
  forget_word(batch, 2, 2 * 3);  // a separator carries none
  EXPECT_EQ(batch[0].word, tokens[0].word);
}

TEST(Words, TheMostFrequentOfTheTrainingRecords) {
  const TempFolder folder;
  write_shard(folder / "a.h5", {{{text_of("to be or not to be, to")}, "a", Split::train},
                                {{text_of("held held held held")}, "b", Split::valid}});
  EXPECT_EQ(frequent_words({folder / "a.h5"}, 3),
            (std::vector<std::u32string>{U"to", U"be", U"not"}));
  EXPECT_EQ(frequent_words({folder / "a.h5"}, 100).size(), 4U);
}

}  // namespace
}  // namespace ortho
