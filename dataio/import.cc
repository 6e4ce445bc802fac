#include "dataio/import.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "core/error.h"
#include "dataio/media/idx.h"
#include "dataio/media/media_format.h"
#include "dataio/media/png.h"
#include "dataio/media/pnm.h"
#include "dataio/media/resample.h"
#include "dataio/media/utf8.h"

namespace ortho {
namespace {

using namespace std::string_view_literals;

struct Signature {
  std::string_view bytes;
  const char* kind;
};

constexpr Signature kNotBuiltIn[] = {
    {"BM"sv, "BMP"},         {"%PDF"sv, "PDF"},
    {"\x1F\x8B"sv, "gzip"},  {"\x89HDF"sv, "HDF5"},
    {"PK\x03\x04"sv, "ZIP"}, {"\0\0\x08\x01"sv, "IDX labels (name it together with its images)"},
    {"II*\0"sv, "TIFF"},     {"MM\0*"sv, "TIFF"},
};

// Where the loud part of a sound begins and ends; empty when all of it is quiet.
std::span<const std::int16_t> loud(std::span<const std::int16_t> samples, std::int16_t level) {
  const auto is_loud = [level](std::int16_t sample) { return std::abs(int{sample}) >= level; };
  const auto first = std::find_if(samples.begin(), samples.end(), is_loud);
  const auto last = std::find_if(samples.rbegin(), samples.rend(), is_loud).base();
  return first < last ? std::span(first, last) : std::span<const std::int16_t>{};
}

// Each value to the nearest of `levels` that are evenly spread over 0 … 255.
void coarsen(std::vector<std::uint8_t>& values, std::int64_t levels) {
  if (levels >= 256) return;
  const std::int64_t steps = levels - 1;
  for (std::uint8_t& value : values)
    value = static_cast<std::uint8_t>((value * steps + 127) / 255 * 255 / steps);
}

// A decoded part as the rule wants it.
Part fitted(Part part, const ImportRule& rule, const std::string& name) {
  if (part.kind == PartKind::image)
    return image_part({part.shape[2], part.shape[1], std::move(part.bytes)}, rule);
  if (part.kind != PartKind::audio) return part;
  Sound sound{part.rate[0], std::vector<std::int16_t>(part.shape[0])};
  std::memcpy(sound.samples.data(), part.bytes.data(), part.bytes.size());
  return audio_part(std::move(sound), rule, name);
}

std::vector<Part> media_parts(std::span<const std::uint8_t> bytes, const std::string& name,
                              const ImportRule& rule, Decoder& decoder) {
  MediaRule decode = rule.decode;
  decode.channels = rule.channels;
  std::vector<Part> parts = decoder.decode(bytes, name, decode);
  ImportRule as_asked = rule;
  if (parts.size() > 1) as_asked.trim = false;
  for (Part& part : parts) part = fitted(std::move(part), as_asked, name);
  return parts;
}

}  // namespace

FileKind kind_of(std::span<const std::uint8_t> bytes, const std::string& name) {
  if (is_png(bytes) || is_pnm(bytes)) return FileKind::image;
  if (is_wav(bytes)) return FileKind::audio;
  if (is_idx_images(bytes)) return FileKind::idx;
  if (media_format(bytes) != MediaFormat::none) return FileKind::media;
  const std::string_view start = file_start(bytes);
  for (const Signature& known : kNotBuiltIn)
    // "BM" may begin a text as well; a BMP has zeros at bytes 6 to 9.
    if (start.starts_with(known.bytes) &&
        (known.bytes != "BM"sv || start.substr(6, 4) == "\0\0\0\0"sv))
      fail(ErrorKind::data, text(name, " is a ", known.kind,
                                 " file, which cannot be read; text, PNG, PGM, PPM, PAM, WAV, "
                                 "IDX, JPEG, GIF, Ogg, FLAC, MP3, MP4 and WebM can"));
  return FileKind::text;
}

Part image_part(const Image& image, const ImportRule& rule) {
  const bool sized = rule.image_height > 0 && rule.image_width > 0;
  Image final = sized ? resize(image, rule.image_height, rule.image_width) : image;
  coarsen(final.rgb, rule.image_levels);
  Part part;
  part.kind = PartKind::image;
  part.shape = {1, static_cast<std::uint32_t>(final.height),
                static_cast<std::uint32_t>(final.width), 3};
  part.bytes = std::move(final.rgb);
  return part;
}

Part audio_part(Sound sound, const ImportRule& rule, const std::string& name) {
  normalize(sound.samples, rule.loudness);
  const std::int64_t rate = sound.rate;
  std::span<const std::int16_t> kept = sound.samples;
  if (kept.empty()) fail(ErrorKind::data, text(name, " holds no samples"));
  if (rule.trim) kept = loud(kept, rule.trim_level);
  if (kept.empty())
    fail(ErrorKind::data,
         text(name, " is silent: no sample reaches the trim level of ", rule.trim_level));
  // Played at another speed it is a sound of another rate.
  const std::int64_t played = std::llround(static_cast<double>(rate) * rule.speed);
  if (rule.audio_rate > 0 || played != rate) {
    sound = resample({played, {kept.begin(), kept.end()}},
                     rule.audio_rate > 0 ? rule.audio_rate : rate);
    kept = sound.samples;
  }
  if (rule.silence_behind > 0) {
    std::vector<std::int16_t> longer(kept.size() + static_cast<std::size_t>(rule.silence_behind));
    std::copy(kept.begin(), kept.end(), longer.begin());
    sound.samples = std::move(longer);
    kept = sound.samples;
  }
  if (rule.cut_samples > 0)
    kept = kept.first(std::min(kept.size(), static_cast<std::size_t>(rule.cut_samples)));
  Part part;
  part.kind = PartKind::audio;
  part.dtype = DType::i16;
  part.shape = {static_cast<std::uint32_t>(kept.size()), 1, 1, 1};
  part.rate = {static_cast<std::uint32_t>(sound.rate), 1};
  part.bytes.resize(2 * kept.size());
  std::memcpy(part.bytes.data(), kept.data(), part.bytes.size());  // little endian, as shards are
  return part;
}

Part text_part_of(std::u32string_view symbols, const std::string& name) {
  if (symbols.empty()) fail(ErrorKind::data, text(name, " is empty"));
  return text_part({symbols.begin(), symbols.end()});
}

std::vector<Part> import_parts(std::span<const std::uint8_t> bytes, const std::string& name,
                               const ImportRule& rule, Decoder& decoder) {
  switch (kind_of(bytes, name)) {
    case FileKind::image:
      return {image_part(is_png(bytes) ? decode_png(bytes, name) : decode_pnm(bytes, name), rule)};
    case FileKind::audio:
      return {audio_part(decode_wav(bytes, name, rule.channels), rule, name)};
    case FileKind::text:
      return {text_part_of(decode_utf8(bytes, name), name)};
    case FileKind::media:
      return media_parts(bytes, name, rule, decoder);
    case FileKind::idx:
      break;
  }
  fail(ErrorKind::data, text(name, " is an IDX file of many images; it cannot be one part"));
}

}  // namespace ortho
