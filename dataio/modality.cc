#include "dataio/modality.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

#include "core/error.h"
#include "dataio/media/utf8.h"

namespace ortho {
namespace {

// G.711's mu-law: a magnitude plus the bias lies
// in one of eight segments, each twice the one before.
constexpr int kMuBias = 132, kMuClip = 32635;

template <class Value>
Value value_at(const std::uint8_t* bytes, std::int64_t index) {
  Value value;
  std::memcpy(&value, bytes + static_cast<std::size_t>(index) * sizeof(Value), sizeof(Value));
  return value;
}

std::uint32_t symbol_at(const PartView& part, std::int64_t index) {
  switch (part.dtype) {
    case DType::u8:
      return part.bytes[index];
    case DType::u16:
      return value_at<std::uint16_t>(part.bytes, index);
    case DType::u32:
      return value_at<std::uint32_t>(part.bytes, index);
    case DType::i16:
      break;
  }
  fail(ErrorKind::internal, "text of signed values");
}

std::string code_point_text(std::uint32_t value) {
  std::ostringstream out;
  out << "U+" << std::hex << std::uppercase << value;
  if (is_code_point(value) && value > ' ') {
    const char32_t symbol = value;
    out << " '" << encode_utf8({&symbol, 1}) << "'";
  }
  return out.str();
}

Token text_token(const PartView& part, std::int64_t index, const TokenRule& rule,
                 const std::string& source) {
  const std::uint32_t value = symbol_at(part, index);
  const std::int32_t row = rule.vocabulary.row(value);
  if (row < 0)
    fail(ErrorKind::data, text(source, ": ", code_point_text(value), " at position ", index,
                               is_code_point(value) ? " is not among the " : " is none of the ",
                               rule.vocabulary.size(), " symbols that the model knows"));
  Token token;
  token.symbol[0] = row;
  token.place[0] = static_cast<std::int32_t>(index);
  if (rule.words != WordRule::none && rule.vocabulary.words.size() > 0)
    token.word = word_at([&part](std::int64_t i) { return symbol_at(part, i); }, index,
                         part.shape[0], rule.words, rule.vocabulary.words);
  return token;
}

Token pixel_token(const PartView& part, std::int64_t index) {
  const std::int64_t height = part.shape[1], width = part.shape[2];
  Token token;
  for (std::size_t channel = 0; channel < 3; ++channel)
    token.symbol[channel] = part.bytes[static_cast<std::size_t>(index) * 3 + channel];
  token.place = {static_cast<std::int32_t>(index / width % height),
                 static_cast<std::int32_t>(index % width),
                 static_cast<std::int32_t>(index / width / height)};
  return token;
}

Token audio_token(const PartView& part, std::int64_t index, const TokenRule& rule) {
  Token token;
  token.symbol[0] = level_of(value_at<std::int16_t>(part.bytes, index), rule.audio_bits);
  token.place[0] = static_cast<std::int32_t>(index);
  return token;
}

}  // namespace

Vocabulary::Vocabulary(std::span<const std::uint32_t> code_points) {
  extend(code_points);
  REQUIRE(code_points_.size() == code_points.size(), "a vocabulary names each symbol once, but of ",
          code_points.size(), " only ", code_points_.size(), " differ");
}

void Vocabulary::extend(std::span<const std::uint32_t> code_points) {
  for (const std::uint32_t value : code_points) {
    REQUIRE(is_code_point(value), "value ", value, " is not a Unicode code point");
    if (row(value) >= 0) continue;
    if (rows_.size() <= value) rows_.resize(value + 1, -1);
    rows_[value] = static_cast<std::int32_t>(code_points_.size());
    code_points_.push_back(value);
  }
}

std::int32_t Vocabulary::row(std::uint32_t code_point) const {
  return code_point < rows_.size() ? rows_[code_point] : -1;
}

std::uint32_t Vocabulary::code_point(std::int64_t row) const {
  REQUIRE(row >= 0 && row < size(), "symbol ", row, " is not one of the ", size(),
          " rows of the vocabulary");
  return code_points_[static_cast<std::size_t>(row)];
}

std::int64_t audio_levels(int bits) {
  REQUIRE(bits == 8 || bits == 16, "audio has 8 or 16 bits, not ", bits);
  return std::int64_t{1} << bits;
}

std::int32_t level_of(std::int16_t sample, int bits) {
  if (bits == 16) return sample + 32768;
  const auto magnitude =
      static_cast<std::uint32_t>(std::min(std::abs(int{sample}), kMuClip) + kMuBias);
  const auto segment = static_cast<std::uint32_t>(std::bit_width(magnitude)) - 8;
  const std::uint32_t code = segment << 4 | ((magnitude >> (segment + 3)) & 15);
  return static_cast<std::int32_t>(sample < 0 ? 127 - code : 128 + code);
}

std::int16_t sample_of(std::int32_t level, int bits) {
  REQUIRE(level >= 0 && level < audio_levels(bits), "audio level ", level, " of ",
          audio_levels(bits));
  if (bits == 16) return static_cast<std::int16_t>(level - 32768);
  const int code = level < 128 ? 127 - level : level - 128;
  const int magnitude = ((((code & 15) << 3) + kMuBias) << (code >> 4)) - kMuBias;
  return static_cast<std::int16_t>(level < 128 ? -magnitude : magnitude);
}

PartView view(const Part& part) {
  return {part.kind, part.dtype, part.shape, part.rate, part.bytes.data()};
}

Modality modality_of(PartKind kind) {
  switch (kind) {
    case PartKind::text:
      return Modality::text;
    case PartKind::image:
    case PartKind::video:
      return Modality::pixel;
    case PartKind::audio:
      return Modality::audio;
    case PartKind::label:
      break;
  }
  fail(ErrorKind::usage, "label parts are not tokens: pack the labels as words (--label-names)");
}

std::int64_t count_tokens(PartKind kind, const std::array<std::uint32_t, 4>& shape) {
  if (modality_of(kind) != Modality::pixel) return shape[0];
  return checked_product(checked_product(shape[0], shape[1]), shape[2]);
}

void tokenise(const PartView& part, Range which, std::int32_t item, const TokenRule& rule,
              const std::string& source, std::vector<Token>& out) {
  const Modality modality = modality_of(part.kind);
  ASSERT(which.lo >= 0 && which.lo <= which.hi && which.hi <= count_tokens(part.kind, part.shape));
  if (modality == Modality::audio && part.shape[3] != 1)
    fail(ErrorKind::data, text(source, ": audio of ", part.shape[3],
                               " channels; pack it again, which makes it one"));
  out.reserve(out.size() + static_cast<std::size_t>(which.size()));
  for (std::int64_t index = which.lo; index < which.hi; ++index) {
    Token token = modality == Modality::text    ? text_token(part, index, rule, source)
                  : modality == Modality::pixel ? pixel_token(part, index)
                                                : audio_token(part, index, rule);
    token.modality = static_cast<std::int32_t>(modality);
    token.item = item;
    out.push_back(token);
  }
}

std::int32_t word_behind(std::span<const Token> before, const Token& token,
                         const Vocabulary& vocabulary) {
  constexpr auto kText = static_cast<std::int32_t>(Modality::text);
  if (token.modality != kText || vocabulary.words.size() == 0) return 0;
  std::size_t first = before.size();
  while (first > 0 && before[first - 1].modality == kText && before[first - 1].item == token.item)
    --first;
  const auto letter = [&](std::int64_t i) {
    const std::size_t at = first + static_cast<std::size_t>(i);
    return vocabulary.code_point((at < before.size() ? before[at] : token).symbol[0]);
  };
  const auto index = static_cast<std::int64_t>(before.size() - first);
  return word_at(letter, index, index + 1, WordRule::behind, vocabulary.words);
}

std::string text_from(std::span<const Token> tokens, const Vocabulary& vocabulary) {
  std::u32string symbols;
  symbols.reserve(tokens.size());
  for (const Token& token : tokens) symbols.push_back(vocabulary.code_point(token.symbol[0]));
  return encode_utf8(symbols);
}

Image image_from(std::span<const Token> tokens, std::int64_t height, std::int64_t width) {
  const std::int64_t pixels = checked_pixels(width, height, "the image to make");
  REQUIRE(static_cast<std::int64_t>(tokens.size()) == pixels, tokens.size(),
          " pixels do not make an image of ", width, " x ", height);
  Image image{width, height, {}};
  image.rgb.reserve(tokens.size() * 3);
  for (const Token& token : tokens)
    for (const std::int32_t value : token.symbol) {
      REQUIRE(value >= 0 && value < kPixelLevels, "pixel level ", value, " of ", kPixelLevels);
      image.rgb.push_back(static_cast<std::uint8_t>(value));
    }
  return image;
}

Sound sound_from(std::span<const Token> tokens, int audio_bits, std::int64_t rate) {
  Sound sound{rate, {}};
  sound.samples.reserve(tokens.size());
  for (const Token& token : tokens) sound.samples.push_back(sample_of(token.symbol[0], audio_bits));
  return sound;
}

}  // namespace ortho
