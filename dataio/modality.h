// Modality: what the values of a part are to a model. Parts to tokens, and tokens back to media.
//
// - text: one token a code point: its row in the Vocabulary; place = its position in the part
// - image, video: one token a pixel, row by row: R, G, B; place = row, column, frame
// - audio: one token a sample: its level; place = its position in the part
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dataio/media/image.h"
#include "dataio/media/wav.h"
#include "dataio/record.h"
#include "dataio/words.h"
#include "tensor/box.h"
#include "tensor/token.h"

namespace ortho {

// The code points a model knows, in the order of its table's rows. Rows never move: growth appends.
class Vocabulary {
 public:
  Vocabulary() = default;
  explicit Vocabulary(std::span<const std::uint32_t> code_points);  // distinct; row i = entry i

  void extend(std::span<const std::uint32_t> code_points);  // appends those not known yet, in order

  std::int64_t size() const { return static_cast<std::int64_t>(code_points_.size()); }
  std::int32_t row(std::uint32_t code_point) const;  // -1 when not known
  std::uint32_t code_point(std::int64_t row) const;
  const std::vector<std::uint32_t>& code_points() const { return code_points_; }

  WordList words;  // the rows of the word table; mostly none

 private:
  std::vector<std::uint32_t> code_points_;
  // By code point, -1 where not known; as long as the largest needs.
  std::vector<std::int32_t> rows_;
};

// Audio levels. 16 bits: sample + 32768. 8 bits: mu-law in G.711's segments,
// numbered so that louder positive samples have higher levels:
// 0 … 127 for samples below 0, 128 … 255 for the others.
std::int64_t audio_levels(int bits);  // 65,536 or 256; Error(usage) for other bits
std::int32_t level_of(std::int16_t sample, int bits);
std::int16_t sample_of(std::int32_t level, int bits);

// A part wherever its bytes lie: in a Part or in a block that was read.
struct PartView {
  PartKind kind;
  DType dtype;
  std::array<std::uint32_t, 4> shape;
  std::array<std::uint32_t, 2> rate;
  const std::uint8_t* bytes;
};

PartView view(const Part& part);  // valid while the part lives

Modality modality_of(PartKind kind);  // Error(usage) for labels: they are not tokens

// Tokens a part of this kind and shape has: code points, pixels of all frames, or samples.
std::int64_t count_tokens(PartKind kind, const std::array<std::uint32_t, 4>& shape);

struct TokenRule {
  const Vocabulary& vocabulary;
  int audio_bits = 16;  // 8 or 16
  WordRule words = WordRule::none;
};

// What `token`, behind `before` in a window, carries under WordRule::behind.
std::int32_t word_behind(std::span<const Token> before, const Token& token,
                         const Vocabulary& vocabulary);

// Appends tokens `which` of the part, as item number `item`. Error(data)
// naming `source` and the position of a code point that is none
// or is not in the vocabulary, and for audio of more than one channel.
void tokenise(const PartView& part, Range which, std::int32_t item, const TokenRule& rule,
              const std::string& source, std::vector<Token>& out);

// The way back. Each takes the tokens of one item in order and ignores their places.
std::string text_from(std::span<const Token> tokens, const Vocabulary& vocabulary);  // UTF-8
Image image_from(std::span<const Token> tokens, std::int64_t height,
                 std::int64_t width);  // exactly H*W
Sound sound_from(std::span<const Token> tokens, int audio_bits, std::int64_t rate);

}  // namespace ortho
