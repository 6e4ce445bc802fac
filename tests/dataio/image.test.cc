#include "dataio/media/image.h"

#include <gtest/gtest.h>

#include "dataio/media/png.h"
#include "dataio/media/pnm.h"
#include "tests/support/errors.h"
#include "tests/support/hostile.h"

namespace ortho {
namespace {

Image pattern(std::int64_t height, std::int64_t width) {
  Image image{width, height, {}};
  for (std::int64_t i = 0; i < height * width * 3; ++i)
    image.rgb.push_back(static_cast<std::uint8_t>(i * 37 + i / 11));
  return image;
}

// Files of 2 x 1 pixels made by another program.
// RGBA: pure red fully transparent, then blue at alpha 51 (a fifth).
const Bytes kTransparent = {0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d,
                            0x49, 0x48, 0x44, 0x52, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01,
                            0x08, 0x06, 0x00, 0x00, 0x00, 0xf4, 0x22, 0x7f, 0x8a, 0x00, 0x00, 0x00,
                            0x0e, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0xf8, 0xcf, 0x00, 0x02,
                            0xff, 0x8d, 0x01, 0x0a, 0x32, 0x02, 0x32, 0xc0, 0x5f, 0x78, 0x1a, 0x00,
                            0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
// 16-bit grey without gamma: 0x8080, 0xFFFF.
const Bytes kGrey16 = {0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d,
                       0x49, 0x48, 0x44, 0x52, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01,
                       0x10, 0x00, 0x00, 0x00, 0x00, 0x81, 0xd9, 0xfc, 0x15, 0x00, 0x00, 0x00,
                       0x0d, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0x68, 0x68, 0xf8, 0xff,
                       0x1f, 0x00, 0x06, 0x82, 0x02, 0xff, 0xb3, 0xbe, 0x51, 0x33, 0x00, 0x00,
                       0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
// A palette of (1, 2, 3) and (200, 100, 50); entries 1, 0.
const Bytes kPalette = {
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44,
    0x52, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x08, 0x03, 0x00, 0x00, 0x00, 0xc3,
    0xfc, 0x8f, 0xb8, 0x00, 0x00, 0x00, 0x06, 0x50, 0x4c, 0x54, 0x45, 0x01, 0x02, 0x03, 0xc8,
    0x64, 0x32, 0x50, 0xb4, 0xae, 0x3f, 0x00, 0x00, 0x00, 0x0b, 0x49, 0x44, 0x41, 0x54, 0x78,
    0x9c, 0x63, 0x60, 0x64, 0x00, 0x00, 0x00, 0x05, 0x00, 0x02, 0xd1, 0x66, 0x33, 0x78, 0x00,
    0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
// Signature and header of an RGBA file of 983,040 x 983,040 pixels.
const Bytes kHugeHeader = {0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00,
                           0x0d, 0x49, 0x48, 0x44, 0x52, 0x00, 0x0f, 0x00, 0x00, 0x00, 0x0f,
                           0x00, 0x00, 0x08, 0x06, 0x00, 0x00, 0x00, 0x90, 0x3f, 0xf1, 0xcf};

const Decode png = [](const Bytes& bytes, const std::string& name) { decode_png(bytes, name); };
const Decode pnm = [](const Bytes& bytes, const std::string& name) { decode_pnm(bytes, name); };

TEST(Image, BoxAveragesAreExact) {
  const Image image{4, 2, {10, 0, 0, 20, 0, 0, 1, 1, 1, 3, 3, 3,  //
                           30, 0, 0, 41, 0, 0, 5, 5, 5, 8, 8, 8}};
  const Image half = resize(image, 1, 2);
  EXPECT_EQ(half.rgb, (Bytes{25, 0, 0, 4, 4, 4}));  // 101 / 4 = 25.25; 17 / 4 = 4.25
  // Three pixels to two: weights 2, 1 and 1, 2 of 3.
  const Image row{3, 1, {0, 0, 0, 90, 90, 90, 255, 255, 255}};
  EXPECT_EQ(resize(row, 1, 2).rgb, (Bytes{30, 30, 30, 200, 200, 200}));
}

TEST(Image, ResizeKeepsConstantsAndSizes) {
  const Image image{5, 7, Bytes(5 * 7 * 3, 255)};
  for (const auto& [height, width] : {std::pair{1, 1}, {3, 2}, {7, 5}, {20, 13}}) {
    const Image other = resize(image, height, width);
    EXPECT_EQ(other.rgb, Bytes(static_cast<std::size_t>(height * width * 3), 255));
  }
  const Image same = pattern(6, 4);
  EXPECT_EQ(resize(same, 6, 4), same);
  EXPECT_EQ(resize(resize(same, 18, 8), 6, 4), same);  // whole factors up and down again
}

TEST(Image, AbsurdSizesAreRefused) {
  message_of([] { checked_pixels(0, 5, "x"); }, ErrorKind::data);
  message_of([] { checked_pixels(std::int64_t{1} << 40, std::int64_t{1} << 40, "x"); },
             ErrorKind::data);
  EXPECT_EQ(checked_pixels(1 << 13, 1 << 13, "x"), kMaxPixels);
}

TEST(Png, ComesBackAsItWas) {
  const Image image = pattern(5, 9);
  const Bytes bytes = encode_png(image);
  EXPECT_TRUE(is_png(bytes));
  EXPECT_EQ(decode_png(bytes, "p.png"), image);
  const Image grey = decode_png(encode_grey_png(Bytes{0, 7, 255, 128}, 2, 2), "g.png");
  EXPECT_EQ(grey.rgb, (Bytes{0, 0, 0, 7, 7, 7, 255, 255, 255, 128, 128, 128}));
}

TEST(Png, HostileFilesEndInAnError) {
  const Bytes bytes = encode_png(pattern(4, 5));
  expect_truncations_refused(bytes, png, 12);  // the empty IEND chunk may be missing
  expect_changes_survived(bytes, png);
  const std::string message =
      message_of([] { decode_png(bytes_of_text("not a png"), "a.png"); }, ErrorKind::data);
  EXPECT_NE(message.find("a.png"), std::string::npos);
}

TEST(Png, FilesOfOtherProgramsAndKinds) {
  EXPECT_EQ(decode_png(kTransparent, "t").rgb, (Bytes{255, 255, 255, 204, 204, 255}));
  EXPECT_EQ(decode_png(kGrey16, "g").rgb, (Bytes{128, 128, 128, 255, 255, 255}));
  EXPECT_EQ(decode_png(kPalette, "p").rgb, (Bytes{200, 100, 50, 1, 2, 3}));
  for (const Bytes& bytes : {kTransparent, kGrey16, kPalette}) expect_changes_survived(bytes, png);
}

TEST(Png, TooManyPixelsAreRefusedBeforeMemoryIsTaken) {
  Bytes bytes = encode_png(pattern(1, 1));
  std::copy(kHugeHeader.begin(), kHugeHeader.end(), bytes.begin());
  const std::string message = message_of([&] { decode_png(bytes, "huge.png"); }, ErrorKind::data);
  EXPECT_NE(message.find("huge.png has 983040 x 983040 pixels"), std::string::npos) << message;
}

TEST(Image, TransparencyIsSeenOnWhite) {
  EXPECT_EQ(over_white(200, 255), 200);
  EXPECT_EQ(over_white(0, 0), 255);
  EXPECT_EQ(over_white(0, 51), 204);
}

TEST(Pnm, EveryKindIsRead) {
  const Bytes expected = {0, 0, 0, 255, 255, 255};
  EXPECT_EQ(decode_pnm(bytes_of_text("P2\n# two\n2 1 15\n0 15"), "a").rgb, expected);
  EXPECT_EQ(decode_pnm(bytes_of_text("P3 2 1 1\n0 0 0 1 1 1\n"), "a").rgb, expected);
  Bytes raw = bytes_of_text("P5 2 1 255\n");
  raw.insert(raw.end(), {0, 255});
  EXPECT_EQ(decode_pnm(raw, "a").rgb, expected);
  raw = bytes_of_text("P6\n2 1\n65535\n");
  raw.insert(raw.end(), {0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255});
  EXPECT_EQ(decode_pnm(raw, "a").rgb, expected);
  raw = bytes_of_text("P7\nWIDTH 2\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n");
  raw.insert(raw.end(), {0, 0, 0, 255, 9, 9, 9, 0});
  EXPECT_EQ(decode_pnm(raw, "a").rgb, expected);
}

TEST(Pnm, SamplesAreScaledAndRounded) {
  EXPECT_EQ(decode_pnm(bytes_of_text("P2 3 1 4 1 2 3"), "a").rgb,
            (Bytes{64, 64, 64, 128, 128, 128, 191, 191, 191}));
}

TEST(Pnm, HostileFilesEndInAnError) {
  Bytes raw = bytes_of_text("P6 3 2 255\n");
  raw.insert(raw.end(), 18, 'x');
  expect_truncations_refused(raw, pnm);
  expect_changes_survived(raw, pnm);
  const Bytes pam =
      bytes_of_text("P7\nWIDTH 2\nHEIGHT 2\nDEPTH 2\nMAXVAL 999\nENDHDR\n" + std::string(16, '\1'));
  expect_truncations_refused(pam, pnm);
  expect_changes_survived(pam, pnm);
  expect_changes_survived(bytes_of_text("P3 2 1 7 1 2 3 4 5 6"), pnm);
}

TEST(Pnm, ErrorsNameFileByteAndExpectation) {
  const auto message = [](const std::string& file) {
    return message_of([&] { decode_pnm(bytes_of_text(file), "a.ppm"); }, ErrorKind::data);
  };
  EXPECT_NE(message("P2 2 2 255 1 2 3").find("a.ppm"), std::string::npos);
  EXPECT_NE(message("P2 1 2 255 1 300").find("expected a sample of at most 255 at byte 13 of 16"),
            std::string::npos);
  EXPECT_NE(message("P5 x").find("expected a width"), std::string::npos);
  EXPECT_NE(message("P5 99999 99999 255\n").find("pixels"), std::string::npos);
  EXPECT_NE(message("P5 1 1 255\nab").find("expected the end of the file at byte 12"),
            std::string::npos);
}

}  // namespace
}  // namespace ortho
