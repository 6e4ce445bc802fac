#include "dataio/modality.h"

#include <gtest/gtest.h>

#include "tests/support/errors.h"
#include "tests/support/hostile.h"
#include "tests/support/make_data.h"

namespace ortho {
namespace {

Vocabulary vocabulary_of(const std::u32string& symbols) {
  const std::vector<std::uint32_t> values(symbols.begin(), symbols.end());
  return Vocabulary(values);
}

TEST(Vocabulary, RowsNeverMoveWhenItGrows) {
  Vocabulary vocabulary = vocabulary_of(U"xa\u20ac");
  EXPECT_EQ(vocabulary.row('x'), 0);
  EXPECT_EQ(vocabulary.row(U'\u20ac'), 2);
  EXPECT_EQ(vocabulary.row('b'), -1);
  EXPECT_EQ(vocabulary.row(0x10FFFF), -1);
  const std::vector<std::uint32_t> more = {'b', 'a', 0x1F600, 'b'};
  vocabulary.extend(more);
  EXPECT_EQ(vocabulary.code_points(), (std::vector<std::uint32_t>{'x', 'a', 0x20AC, 'b', 0x1F600}));
  EXPECT_EQ(vocabulary.row(0x1F600), 4);
  EXPECT_EQ(vocabulary.code_point(4), 0x1F600u);
  const std::vector<std::uint32_t> twice = {'a', 'a'}, surrogate = {0xD800};
  message_of([&] { Vocabulary{twice}; }, ErrorKind::usage);
  message_of([&] { Vocabulary{surrogate}; }, ErrorKind::usage);
  message_of([&] { vocabulary.code_point(5); }, ErrorKind::usage);
}

TEST(Audio, MuLawLevelsRiseAndComeBack) {
  EXPECT_EQ(level_of(-32768, 8), 0);
  EXPECT_EQ(level_of(-1, 8), 127);
  EXPECT_EQ(level_of(0, 8), 128);
  EXPECT_EQ(level_of(32767, 8), 255);
  EXPECT_EQ(sample_of(255, 8), 32124);  // G.711's largest output
  std::int32_t last = 0;
  for (int sample = -32768; sample <= 32767; ++sample) {
    const auto value = static_cast<std::int16_t>(sample);
    const std::int32_t level = level_of(value, 8);
    ASSERT_TRUE(level == last || level == last + 1) << sample;
    last = level;
    // Half a step of the segment: 1/32 of magnitude + bias,
    // rounded up; the last level clips 643 more.
    const int allowed = (std::abs(sample) + 132) / 32 + 1;
    if (std::abs(sample) <= 32635) {
      ASSERT_LE(std::abs(sample_of(level, 8) - sample), allowed) << sample;
    }
    ASSERT_EQ(sample_of(level_of(value, 16), 16), value);
  }
  for (int level = 0; level < 256; ++level) {
    const int expected = level == 127 ? 128 : level;  // the negative of two zeros
    EXPECT_EQ(level_of(sample_of(level, 8), 8), expected);
  }
  message_of([] { audio_levels(12); }, ErrorKind::usage);
  message_of([] { sample_of(256, 8); }, ErrorKind::usage);
}

TEST(Tokens, TextAtEveryWidth) {
  const Vocabulary vocabulary = vocabulary_of(U"ab\u20ac\U0001F600");
  for (const std::string utf8 : {"abba", "ab\u20aca", "a\U0001F600\u20acb"}) {
    const Part part = text_of(utf8);
    std::vector<Token> tokens;
    tokenise(view(part), {0, count_tokens(part.kind, part.shape)}, 3, {vocabulary}, "t", tokens);
    EXPECT_EQ(tokens.size(), 4u);
    EXPECT_EQ(tokens[2].place[0], 2);
    EXPECT_EQ(tokens[2].item, 3);
    EXPECT_EQ(tokens[2].modality, static_cast<int>(Modality::text));
    EXPECT_EQ(text_from(tokens, vocabulary), utf8);
    std::vector<Token> slice;
    tokenise(view(part), {1, 3}, 3, {vocabulary}, "t", slice);
    EXPECT_EQ(slice, (std::vector<Token>{tokens[1], tokens[2]}));
  }
}

TEST(Tokens, AnUnknownSymbolIsNamedWithItsPlace) {
  const Vocabulary vocabulary = vocabulary_of(U"ab");
  const Part part = text_of("abc\u20ac");
  std::vector<Token> tokens;
  const std::string message = message_of(
      [&] {
        tokenise(view(part), {3, 4}, 0, {vocabulary}, "book.txt", tokens);
      },
      ErrorKind::data);
  EXPECT_NE(message.find("book.txt: U+20AC '\u20ac' at position 3 is not among the 2 symbols"),
            std::string::npos)
      << message;
}

TEST(Tokens, PixelsRowByRowAndFrameByFrame) {
  Part part{PartKind::video, DType::u8, {2, 2, 3, 3}, {25, 1}, {}};
  for (int i = 0; i < 36; ++i) part.bytes.push_back(static_cast<std::uint8_t>(i));
  std::vector<Token> tokens;
  const Vocabulary none;
  EXPECT_EQ(count_tokens(part.kind, part.shape), 12);
  tokenise(view(part), {0, 12}, 0, {none}, "v", tokens);
  EXPECT_EQ(tokens[4].place, (std::array<std::int32_t, 3>{1, 1, 0}));
  EXPECT_EQ(tokens[11].place, (std::array<std::int32_t, 3>{1, 2, 1}));
  EXPECT_EQ(tokens[11].symbol, (std::array<std::int32_t, 3>{33, 34, 35}));
  EXPECT_EQ(image_from(tokens, 4, 3).rgb, part.bytes);
  message_of([&] { image_from(tokens, 4, 4); }, ErrorKind::usage);
}

TEST(Tokens, SoundAtBothWidths) {
  const Part part{
      PartKind::audio, DType::i16, {3, 1, 1, 1}, {8000, 1}, {0, 0, 0xFF, 0x7F, 0, 0x80}};
  const Vocabulary none;
  for (const int bits : {8, 16}) {
    std::vector<Token> tokens;
    tokenise(view(part), {0, 3}, 0, {none, bits}, "s", tokens);
    EXPECT_EQ(tokens[1].symbol[0], audio_levels(bits) - 1);
    EXPECT_EQ(tokens[2].symbol[0], 0);
    const Sound sound = sound_from(tokens, bits, 8000);
    EXPECT_EQ(sound.samples, (bits == 16 ? std::vector<std::int16_t>{0, 32767, -32768}
                                         : std::vector<std::int16_t>{0, 32124, -32124}));
  }
  Part stereo = part;
  stereo.shape = {1, 1, 1, 2};
  std::vector<Token> tokens;
  message_of([&] { tokenise(view(stereo), {0, 1}, 0, {none}, "s", tokens); }, ErrorKind::data);
}

TEST(Tokens, LabelsAreRefused) {
  message_of([] { count_tokens(PartKind::label, {1, 1, 1, 1}); }, ErrorKind::usage);
}

}  // namespace
}  // namespace ortho
