#include "dataio/media/wav.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <string_view>

#include "core/error.h"

namespace ortho {
namespace {

constexpr std::uint32_t kPcm = 1, kFloat = 3, kExtensible = 0xFFFE;
// Samples per second: ultrasound, and far from a wild number.
constexpr std::int64_t kMaxRate = 10'000'000;
constexpr std::uint32_t kMaxChannels = 256;

// What stands behind the first two bytes of the extensible format's GUID.
constexpr std::array<std::uint8_t, 14> kGuidTail = {0, 0, 0,    0, 0x10, 0,    0x80,
                                                    0, 0, 0xAA, 0, 0x38, 0x9B, 0x71};

struct Format {
  std::uint32_t coding = 0;    // kPcm or kFloat
  std::uint32_t channels = 0;  // 0: no format chunk yet
  std::uint32_t rate = 0;
  std::uint32_t bytes = 0;  // of one sample of one channel
};

class WavReader {
 public:
  WavReader(std::span<const std::uint8_t> bytes, const std::string& name)
      : bytes_(bytes), name_(name) {}

  Sound read(Channels channels) {
    if (!is_wav(bytes_)) fail_at(0, "it does not start with RIFF and WAVE");
    Format format;
    std::size_t at = 12;
    while (bytes_.size() - at >= 8) {
      const std::string_view id(reinterpret_cast<const char*>(bytes_.data()) + at, 4);
      const std::uint64_t size = little(at + 4, 4), room = bytes_.size() - at - 8;
      if (size > room)
        fail_at(at, text("chunk '", printable(id), "' says it has ", size, " bytes, but only ",
                         room, " follow. The file is truncated or its header is wrong."));
      if (id == "fmt ") format = read_format(at + 8, size);
      if (id == "data") {
        if (format.channels == 0) fail_at(at, "the data chunk comes before the format chunk");
        return read_data(at + 8, size, format, channels);
      }
      at += 8 + size + size % 2;  // chunks are padded to even sizes
      if (at > bytes_.size()) break;
    }
    fail_at(std::min(at, bytes_.size()), "no data chunk");
  }

 private:
  [[noreturn]] void fail_at(std::size_t at, const std::string& why) const {
    fail(ErrorKind::data, text(name_, " is not a readable WAV at byte ", at, ": ", why));
  }

  static std::string printable(std::string_view id) {
    std::string out(id);
    for (char& c : out)
      if (c < ' ' || c > '~') c = '?';
    return out;
  }

  std::uint64_t little(std::size_t at, std::size_t count) const {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i) value |= std::uint64_t{bytes_[at + i]} << (8 * i);
    return value;
  }

  Format read_format(std::size_t at, std::uint64_t size) const {
    if (size < 16) fail_at(at, text("the format chunk has ", size, " bytes, expected 16 or more"));
    Format format;
    format.coding = static_cast<std::uint32_t>(little(at, 2));
    format.channels = static_cast<std::uint32_t>(little(at + 2, 2));
    format.rate = static_cast<std::uint32_t>(little(at + 4, 4));
    const auto frame_bytes = little(at + 12, 2), bits = little(at + 14, 2);
    if (format.coding == kExtensible) format.coding = read_subformat(at, size);
    const bool known =
        (format.coding == kPcm && (bits == 8 || bits == 16 || bits == 24 || bits == 32)) ||
        (format.coding == kFloat && (bits == 32 || bits == 64));
    if (!known)
      fail_at(at, text("coding ", format.coding, " with ", bits,
                       " bits is not supported; PCM (1) of 8, 16, 24, 32 bits and float (3) of "
                       "32, 64 bits are"));
    format.bytes = static_cast<std::uint32_t>(bits / 8);
    if (format.channels < 1 || format.channels > kMaxChannels)
      fail_at(at + 2, text(format.channels, " channels; 1 to ", kMaxChannels, " are accepted"));
    if (format.rate < 1 || format.rate > kMaxRate)
      fail_at(at + 4,
              text("a rate of ", format.rate, " per second; 1 to ", kMaxRate, " are accepted"));
    if (frame_bytes != format.channels * format.bytes)
      fail_at(at + 12, text("a frame of ", frame_bytes, " bytes, but ", format.channels,
                            " channels of ", bits, " bits take ", format.channels * format.bytes));
    return format;
  }

  std::uint32_t read_subformat(std::size_t at, std::uint64_t size) const {
    if (size < 40)
      fail_at(at, text("the extensible format chunk has ", size, " bytes, expected 40 or more"));
    if (!std::equal(kGuidTail.begin(), kGuidTail.end(),
                    bytes_.begin() + static_cast<std::ptrdiff_t>(at) + 26))
      fail_at(at + 24, "the extensible format's GUID is not one of PCM or float");
    return static_cast<std::uint32_t>(little(at + 24, 2));
  }

  Sound read_data(std::size_t at, std::uint64_t size, const Format& format,
                  Channels channels) const {
    const std::uint64_t frame_bytes = std::uint64_t{format.channels} * format.bytes;
    if (size % frame_bytes != 0)
      fail_at(at, text("the data chunk has ", size, " bytes, not whole frames of ", frame_bytes));
    const std::uint64_t frames = size / frame_bytes;
    Sound sound{format.rate, std::vector<std::int16_t>(frames)};
    for (std::uint64_t frame = 0; frame < frames; ++frame) {
      const std::size_t first = at + frame * frame_bytes;
      if (channels == Channels::first || format.channels == 1) {
        sound.samples[frame] = sample(first, format);
        continue;
      }
      std::int64_t sum = 0;
      for (std::uint32_t i = 0; i < format.channels; ++i)
        sum += sample(first + i * format.bytes, format);
      const double mean = static_cast<double>(sum) / format.channels;
      sound.samples[frame] = static_cast<std::int16_t>(std::lround(mean));
    }
    return sound;
  }

  // One sample as 16 bits: wider PCM is rounded half up, then clipped.
  std::int16_t sample(std::size_t at, const Format& format) const {
    if (format.coding == kFloat) return float_sample(at, format);
    const std::uint64_t raw = little(at, format.bytes);
    if (format.bytes == 1) return static_cast<std::int16_t>((static_cast<int>(raw) - 128) * 256);
    const int bits = static_cast<int>(format.bytes) * 8;
    const std::int64_t value = static_cast<std::int64_t>(raw << (64 - bits)) >> (64 - bits);
    const std::int64_t half = (std::int64_t{1} << (bits - 16)) >> 1;
    const std::int64_t rounded = (value + half) >> (bits - 16);
    return static_cast<std::int16_t>(std::min<std::int64_t>(rounded, INT16_MAX));
  }

  std::int16_t float_sample(std::size_t at, const Format& format) const {
    const std::uint64_t raw = little(at, format.bytes);
    const double value = format.bytes == 4 ? std::bit_cast<float>(static_cast<std::uint32_t>(raw))
                                           : std::bit_cast<double>(raw);
    if (std::isnan(value)) fail_at(at, "a sample is not a number");
    return static_cast<std::int16_t>(std::lround(std::clamp(value * 32768.0, -32768.0, 32767.0)));
  }

  std::span<const std::uint8_t> bytes_;
  const std::string& name_;
};

}  // namespace

bool is_wav(std::span<const std::uint8_t> bytes) {
  const std::string_view start(reinterpret_cast<const char*>(bytes.data()),
                               std::min<std::size_t>(bytes.size(), 12));
  return start.size() == 12 && start.substr(0, 4) == "RIFF" && start.substr(8) == "WAVE";
}

Sound decode_wav(std::span<const std::uint8_t> bytes, const std::string& name, Channels channels) {
  return WavReader(bytes, name).read(channels);
}

std::vector<std::uint8_t> encode_wav(const Sound& sound) {
  REQUIRE(sound.rate >= 1 && sound.rate <= kMaxRate, "a sound of ", sound.rate,
          " samples per second; 1 to ", kMaxRate, " can be written");
  const std::uint64_t data_bytes = 2 * sound.samples.size();
  REQUIRE(data_bytes <= std::numeric_limits<std::uint32_t>::max() - 36, sound.samples.size(),
          " samples are too many for a WAV file");
  std::vector<std::uint8_t> out;
  out.reserve(44 + data_bytes);
  const auto put_name = [&out](std::string_view id) {
    out.insert(out.end(), id.begin(), id.end());
  };
  const auto put = [&out](std::uint64_t value, int count) {
    for (int i = 0; i < count; ++i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  };
  const auto rate = static_cast<std::uint64_t>(sound.rate);
  put_name("RIFF");
  put(36 + data_bytes, 4);
  put_name("WAVEfmt ");
  put(16, 4);
  put(kPcm, 2);
  put(1, 2);  // channels
  put(rate, 4);
  put(2 * rate, 4);  // bytes per second
  put(2, 2);         // bytes a frame
  put(16, 2);        // bits
  put_name("data");
  put(data_bytes, 4);
  for (const std::int16_t sample : sound.samples) put(static_cast<std::uint16_t>(sample), 2);
  return out;
}

}  // namespace ortho
