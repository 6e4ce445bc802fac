#include "dataio/media/wav.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "tests/support/errors.h"
#include "tests/support/hostile.h"

namespace ortho {
namespace {

using Samples = std::vector<std::int16_t>;

const Decode wav = [](const Bytes& bytes, const std::string& name) { decode_wav(bytes, name); };

void put(Bytes& out, std::uint64_t value, int count) {
  for (int i = 0; i < count; ++i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

void put_text(Bytes& out, const std::string& text) {
  out.insert(out.end(), text.begin(), text.end());
}

// A file with that coding; an odd chunk of another kind stands between format and data.
Bytes file(unsigned coding, unsigned channels, unsigned bits, const Bytes& data) {
  Bytes out;
  put_text(out, "RIFF");
  put(out, 46 + data.size(), 4);
  put_text(out, "WAVEfmt ");
  put(out, 16, 4);
  put(out, coding, 2);
  put(out, channels, 2);
  put(out, 8000, 4);
  put(out, 8000u * channels * bits / 8, 4);
  put(out, channels * bits / 8, 2);
  put(out, bits, 2);
  put_text(out, "LIST");
  put(out, 1, 4);
  put(out, 0, 2);
  put_text(out, "data");
  put(out, data.size(), 4);
  out.insert(out.end(), data.begin(), data.end());
  return out;
}

Bytes packed(const std::vector<std::int64_t>& values, int bytes) {
  Bytes out;
  for (const std::int64_t value : values) put(out, static_cast<std::uint64_t>(value), bytes);
  return out;
}

Samples samples_of(const Bytes& bytes, Channels channels = Channels::mean) {
  return decode_wav(bytes, "a.wav", channels).samples;
}

TEST(Wav, SixteenBitsComeBackAsTheyWere) {
  const Sound sound{44100, {0, 1, -1, 32767, -32768, 123}};
  const Bytes bytes = encode_wav(sound);
  EXPECT_TRUE(is_wav(bytes));
  EXPECT_EQ(decode_wav(bytes, "a.wav"), sound);
}

TEST(Wav, OtherWidthsAreRoundedAndClipped) {
  EXPECT_EQ(samples_of(file(1, 1, 8, {0, 127, 128, 255})), (Samples{-32768, -256, 0, 32512}));
  EXPECT_EQ(samples_of(file(1, 1, 24, packed({0, 127, 128, -128, -129, 8388607, -8388608}, 3))),
            (Samples{0, 0, 1, 0, -1, 32767, -32768}));
  EXPECT_EQ(samples_of(file(1, 1, 32, packed({32767, 32768, INT32_MAX, INT32_MIN}, 4))),
            (Samples{0, 1, 32767, -32768}));
}

TEST(Wav, FloatsAreRoundedAndClipped) {
  Bytes data32, data64;
  for (const float value : {0.0f, 0.5f, -0.5f, 1.0f, -1.0f, 7.0f, -7.0f}) {
    put(data32, std::bit_cast<std::uint32_t>(value), 4);
    put(data64, std::bit_cast<std::uint64_t>(double{value}), 8);
  }
  const Samples expected = {0, 16384, -16384, 32767, -32768, 32767, -32768};
  EXPECT_EQ(samples_of(file(3, 1, 32, data32)), expected);
  EXPECT_EQ(samples_of(file(3, 1, 64, data64)), expected);
  Bytes bad;
  put(bad, std::bit_cast<std::uint32_t>(std::numeric_limits<float>::quiet_NaN()), 4);
  const std::string message = message_of([&] { samples_of(file(3, 1, 32, bad)); }, ErrorKind::data);
  EXPECT_NE(message.find("a.wav is not a readable WAV at byte 54: a sample is not a number"),
            std::string::npos)
      << message;
}

TEST(Wav, ChannelsBecomeTheirMeanOrTheFirst) {
  const Bytes bytes = file(1, 2, 16, packed({100, 201, -100, -201, 32767, 32767}, 2));
  EXPECT_EQ(samples_of(bytes), (Samples{151, -151, 32767}));  // halves away from zero
  EXPECT_EQ(samples_of(bytes, Channels::first), (Samples{100, -100, 32767}));
}

Bytes extensible(const std::string& guid_tail) {
  Bytes out;
  put_text(out, "RIFF");
  put(out, 64, 4);
  put_text(out, "WAVEfmt ");
  put(out, 40, 4);
  put(out, 0xFFFE, 2);
  put(out, 1, 2);
  put(out, 8000, 4);
  put(out, 24000, 4);
  put(out, 3, 2);
  put(out, 24, 2);
  put(out, 22, 2);
  put(out, 24, 2);
  put(out, 4, 4);
  put(out, 1, 2);  // PCM
  put_text(out, guid_tail);
  put_text(out, "data");
  put(out, 3, 4);
  put(out, 256 * 77, 3);
  return out;
}

TEST(Wav, TheExtensibleFormatIsRead) {
  const std::string tail("\0\0\0\0\x10\0\x80\0\0\xAA\0\x38\x9B\x71", 14);
  EXPECT_EQ(samples_of(extensible(tail)), Samples{77});
  expect_truncations_refused(extensible(tail), wav);
  message_of([&] { samples_of(extensible(std::string(14, 'x'))); }, ErrorKind::data);
}

TEST(Wav, HostileFilesEndInAnError) {
  for (const Bytes& bytes :
       {file(1, 1, 16, packed({1, 2, 3}, 2)), file(1, 2, 24, packed({1, 2, 3, 4}, 3))}) {
    expect_truncations_refused(bytes, wav);
    expect_changes_survived(bytes, wav);
  }
}

TEST(Wav, ErrorsNameFileByteAndValue) {
  const auto message = [](const Bytes& bytes) {
    return message_of([&] { decode_wav(bytes, "a.wav"); }, ErrorKind::data);
  };
  Bytes cut = file(1, 1, 16, packed({1, 2, 3}, 2));
  cut.resize(cut.size() - 4);
  EXPECT_NE(message(cut).find("a.wav is not a readable WAV at byte 46: chunk 'data' says it has 6 "
                              "bytes, but only 2 follow"),
            std::string::npos)
      << message(cut);
  EXPECT_NE(message(file(7, 1, 8, {1})).find("coding 7 with 8 bits is not supported"),
            std::string::npos);
  EXPECT_NE(message(file(1, 1, 20, {})).find("coding 1 with 20 bits"), std::string::npos);
  EXPECT_NE(message(file(1, 0, 16, {})).find("0 channels"), std::string::npos);
  EXPECT_NE(message(file(1, 1, 16, {1, 2, 3})).find("not whole frames of 2"), std::string::npos);
  EXPECT_NE(message(bytes_of_text("RIFF")).find("RIFF and WAVE"), std::string::npos);
}

}  // namespace
}  // namespace ortho
