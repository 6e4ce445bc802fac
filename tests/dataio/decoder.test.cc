#include "dataio/media/decoder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <numbers>

#include "dataio/media/png.h"
#include "tests/support/errors.h"
#include "tests/support/hostile.h"
#include "tests/support/media_kit.h"

namespace ortho {
namespace {

class DecoderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!has_decoder()) GTEST_SKIP() << kNoDecoder;
  }

  std::vector<Part> decode(const std::string& name, const MediaRule& rule = {}) {
    return decoder_.decode(read_bytes(MediaFiles::get().path(name)), name, rule);
  }

  static bool made(const std::string& name) { return file_exists(MediaFiles::get().path(name)); }

  Decoder decoder_{ORTHO_DECODE};
};

using Shape = std::array<std::uint32_t, 4>;
using Rate = std::array<std::uint32_t, 2>;

// Pixel (row, column) of frame k against the pattern of make_media. Lossy codecs and two
// conversions of colour in 8 bits: flat areas come back within a few levels.
void expect_pixel(const Part& part, std::uint32_t k, std::uint32_t row, std::uint32_t column,
                  bool left, int tolerance) {
  const std::size_t at = ((std::size_t{k} * part.shape[1] + row) * part.shape[2] + column) * 3;
  const int expected[3] = {left ? 200 : 40, 60 + 10 * static_cast<int>(k), left ? 40 : 200};
  for (std::size_t channel = 0; channel < 3; ++channel)
    EXPECT_NEAR(part.bytes[at + channel], expected[channel], tolerance)
        << "frame " << k << " row " << row << " column " << column << " channel " << channel;
}

// The share of a sound's power that the sine of 500 Hz explains.
double sine_share(const Part& part, double level) {
  std::vector<std::int16_t> samples(part.shape[0]);
  std::memcpy(samples.data(), part.bytes.data(), part.bytes.size());
  double sine = 0, cosine = 0, power = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double angle = 2 * std::numbers::pi * 500 * static_cast<double>(i) / part.rate[0];
    sine += samples[i] * std::sin(angle);
    cosine += samples[i] * std::cos(angle);
    power += double{1} * samples[i] * samples[i];
  }
  const double count = static_cast<double>(samples.size());
  EXPECT_NEAR(std::sqrt(2 * power / count), level, level * 0.08);  // lossy codecs, soft edges
  return 2 * (sine * sine + cosine * cosine) / (count * power);
}

TEST_F(DecoderTest, APictureIsAnImage) {
  const auto jpeg = decode("one.jpg"), gif = decode("one.gif");
  ASSERT_EQ(jpeg.size(), 1U);
  EXPECT_EQ(jpeg[0].kind, PartKind::image);
  EXPECT_EQ(jpeg[0].shape, (Shape{1, 16, 32, 3}));
  expect_pixel(jpeg[0], 0, 8, 4, true, 6);
  expect_pixel(jpeg[0], 0, 8, 28, false, 6);
  ASSERT_EQ(gif.size(), 1U);
  EXPECT_EQ(gif[0].shape, (Shape{1, 16, 32, 3}));
  expect_pixel(gif[0], 0, 8, 4, true, 45);  // the palette has 3, 3 and 2 bits a channel
}

// Both decoders see the same bytes, transparency included.
TEST_F(DecoderTest, APngIsWhatTheBuiltInDecoderMakesOfIt) {
  Image image{5, 3, {}};
  for (int i = 0; i < 45; ++i) image.rgb.push_back(static_cast<std::uint8_t>(i * 5));
  const auto png = encode_png(image);
  const auto parts = decoder_.decode(png, "a.png", {});
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].bytes, image.rgb);
}

TEST_F(DecoderTest, AFilmHasAllFramesAndItsSoundBesideIt) {
  for (const char* name : {"film.mp4", "film.webm"}) {
    if (!made(name)) continue;
    const auto parts = decode(name);
    ASSERT_EQ(parts.size(), 2U) << name;
    EXPECT_EQ(parts[0].kind, PartKind::video);
    EXPECT_EQ(parts[0].shape, (Shape{10, 16, 32, 3})) << name;
    EXPECT_EQ(parts[0].rate[0], 10 * parts[0].rate[1]) << name;
    for (const std::uint32_t frame : {0, 4, 9}) {
      expect_pixel(parts[0], frame, 8, 4, true, 8);
      expect_pixel(parts[0], frame, 8, 28, false, 8);
    }
    EXPECT_EQ(parts[1].kind, PartKind::audio);
    const double seconds = static_cast<double>(parts[1].shape[0]) / parts[1].rate[0];
    EXPECT_NEAR(seconds, 1.0, 0.05) << name;  // codecs work in pieces of up to 1,024 samples
    // AAC fills its last piece with silence, up to a fortieth of this second.
    EXPECT_GT(sine_share(parts[1], 16384), 0.95) << name;
  }
}

TEST_F(DecoderTest, FramesAtARateOfOnesChoice) {
  MediaRule rule;
  rule.frame_rate = {5, 1};
  rule.frame_height = 4;
  rule.frame_width = 8;
  const auto half = decode("film.mp4", rule);
  EXPECT_EQ(half[0].shape, (Shape{5, 4, 8, 3}));
  EXPECT_EQ(half[0].rate, (Rate{5, 1}));
  for (const std::uint32_t k : {0, 1, 4})  // of frame 2 k of the film
    EXPECT_NEAR(half[0].bytes[(std::size_t{k} * 32 + 17) * 3 + 1], 60 + 20 * k, 8);
  rule.frame_rate = {20, 1};
  EXPECT_EQ(decode("film.mp4", rule)[0].shape[0], 20U);  // each twice
}

TEST_F(DecoderTest, MaxFramesCutsTheSoundToo) {
  MediaRule rule;
  rule.max_frames = 3;
  const auto cut = decode("film.mp4", rule);
  EXPECT_EQ(cut[0].shape[0], 3U);
  EXPECT_EQ(cut[1].shape[0], 13230U);  // 0.3 seconds at 44,100
  rule.max_frames = 10;                // all there are: nothing is cut
  EXPECT_GE(decode("film.mp4", rule)[1].shape[0], 44100U);
}

// A quarter clockwise: what was on the left lies above.
TEST_F(DecoderTest, ATurnedFilmIsMadeUpright) {
  const auto parts = decode("turned.mp4");
  ASSERT_EQ(parts[0].shape, (Shape{10, 32, 16, 3}));
  expect_pixel(parts[0], 0, 4, 8, true, 8);
  expect_pixel(parts[0], 0, 28, 8, false, 8);
}

TEST_F(DecoderTest, Sounds) {
  for (const char* name : {"sound.ogg", "sound.flac", "sound.mp3"}) {
    if (!made(name)) continue;
    const auto parts = decode(name);
    ASSERT_EQ(parts.size(), 1U) << name;
    const bool flac = std::string(name) == "sound.flac";
    EXPECT_EQ(parts[0].rate, (Rate{flac ? 8000U : 44100U, 1})) << name;
    if (flac) {
      EXPECT_EQ(parts[0].shape[0], 8000U);
    }
    EXPECT_GT(sine_share(parts[0], 16384), 0.99) << name;
  }
}

TEST_F(DecoderTest, ManyFilesTakeOneWorker) {
  const auto first = decode("one.jpg");
  Bytes broken = read_bytes(MediaFiles::get().path("one.jpg"));
  broken.resize(broken.size() / 2);
  EXPECT_FALSE(decodes(broken, [this](const Bytes& bytes, const std::string& name) {
    decoder_.decode(bytes, name, {});
  }));
  EXPECT_EQ(decode("one.jpg")[0].bytes, first[0].bytes);
  EXPECT_EQ(decoder_.starts(), 1);
}

// --- workers that fail ---

class BadWorker : public ::testing::Test {
 protected:
  std::string script(const std::string& body) const {
    const std::string path = folder_ / "worker";
    std::ofstream(path) << "#!/bin/sh\n" << body << '\n';
    ::chmod(path.c_str(), 0755);
    return path;
  }
  std::string complaint(const std::string& body) const {
    Decoder decoder(script(body));
    MediaRule rule;
    rule.seconds = 1;
    try {
      decoder.decode(jpeg_, "a.jpg", rule);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::data);
      return error.reason();
    }
    return "none";
  }
  TempFolder folder_;
  Bytes jpeg_ = {0xFF, 0xD8, 0xFF, 0xE0};
};

TEST_F(BadWorker, IsNamedWithWhatItDid) {
  EXPECT_NE(complaint("exit 3").find("a.jpg (JPEG) cannot be decoded"), std::string::npos);
  EXPECT_NE(complaint("exit 3").find("ended with exit code 3"), std::string::npos);
  EXPECT_NE(complaint("kill -SEGV $$").find("signal 11"), std::string::npos);
  EXPECT_NE(complaint("exec sleep 60").find("did not answer in time"), std::string::npos);
  EXPECT_NE(complaint("exec yes").find("an answer of no known form"), std::string::npos);
}

// A head that announces what cannot be, a payload that ends early, a sum that is wrong.
TEST_F(BadWorker, ItsAnswersAreChecked) {
  const auto answer = [&](const AnswerHead& head, const std::string& payload) {
    std::ofstream(folder_ / "answer", std::ios::binary)
        << std::string(reinterpret_cast<const char*>(&head), sizeof head) << payload;
    return complaint(text("cat ", folder_ / "answer", "; exec sleep 60"));
  };
  AnswerHead head = answer_head(false, bytes_of_text("abcd"));
  EXPECT_NE(answer(head, "abcd").find("bytes that are no part"), std::string::npos);
  EXPECT_NE(answer(head, "abce").find("checksum"), std::string::npos);
  EXPECT_NE(answer(head, "ab").find("did not answer in time"), std::string::npos);
  head.nbytes = std::uint64_t{1} << 60;
  EXPECT_NE(answer(head, "abcd").find("an answer of 1152921504606846976 bytes"), std::string::npos);
  const AnswerHead words = answer_head(true, bytes_of_text("no\n\x1B[2J"));
  EXPECT_NE(answer(words, "no\n\x1B[2J").find("no??[2J"), std::string::npos);
}

TEST_F(BadWorker, IsReplacedForTheNextFile) {
  Decoder decoder(script("exit 1"));
  for (int i = 0; i < 2; ++i) EXPECT_THROW(decoder.decode(jpeg_, "a.jpg", {}), Error);
  EXPECT_EQ(decoder.starts(), 2);
}

TEST_F(BadWorker, AbsentSaysWhatToInstall) {
  Decoder decoder(folder_ / "nobody");
  try {
    decoder.decode(jpeg_, "a.jpg", {});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_NE(error.reason().find("a.jpg is a JPEG file"), std::string::npos) << error.reason();
    EXPECT_NE(error.reason().find("libavformat-dev"), std::string::npos) << error.reason();
  }
}

TEST(DecodeMessage, PartsComeBackAsTheyWent) {
  const std::vector<Part> parts = {
      {PartKind::video, DType::u8, {2, 1, 2, 3}, {25, 1}, Bytes(12, 7)},
      {PartKind::audio, DType::i16, {3, 1, 1, 1}, {8000, 1}, Bytes(6, 9)}};
  const auto payload = parts_payload(parts);
  const auto back = parts_from(payload, "a");
  ASSERT_EQ(back.size(), 2U);
  EXPECT_EQ(back[0].shape, parts[0].shape);
  EXPECT_EQ(back[1].rate, parts[1].rate);
  EXPECT_EQ(back[1].bytes, parts[1].bytes);
  const Decode decode = [](const Bytes& bytes, const std::string& name) {
    parts_from(bytes, name);
  };
  // Cut between the two parts, one part is left whole.
  const std::size_t first = parts_payload({parts.data(), 1}).size();
  for (std::size_t size = 0; size < payload.size(); ++size)
    EXPECT_EQ(decodes(Bytes(payload.begin(), payload.begin() + static_cast<std::ptrdiff_t>(size)),
                      decode),
              size == first)
        << size;
  expect_changes_survived(payload, decode);
}

}  // namespace
}  // namespace ortho
