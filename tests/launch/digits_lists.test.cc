// launch/digits.sh on a small stand-in for its corpora: the length of a sound, and the brightness of
// an image, tell the digit.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "dataio/dataset.h"
#include "dataio/media/gzip.h"
#include "dataio/media/idx.h"
#include "dataio/media/utf8.h"
#include "dataio/media/wav.h"
#include "tests/support/program.h"
#include "tests/support/temp_folder.h"

namespace ortho {
namespace {

constexpr const char* kWords[] = {"zero", "one", "two",   "three", "four",
                                  "five", "six", "seven", "eight", "nine"};

class DigitsLists : public ::testing::Test {
 protected:
  DigitsLists() {
    std::filesystem::create_directory(folder_ / "sounds");
    std::filesystem::create_directory(folder_ / "mnist");
    std::vector<std::uint8_t> labels;
    IdxImages images{20, 1, 1, {}};
    for (std::uint8_t i = 0; i < 20; ++i) {
      labels.push_back(i % 10);
      images.grey.push_back(static_cast<std::uint8_t>(i % 10 < 5 ? 0 : 255));  // of two levels
      for (const char* take : {"_a_4", "_a_5"}) {  // one to test on, one to train on
        const auto digit = static_cast<std::size_t>(i % 10);
        put(text("sounds/", digit, take, ".wav"),
            encode_wav({8000, std::vector<std::int16_t>(100 + 10 * digit, 900)}));
      }
    }
    for (const char* part : {"train", "t10k"}) {
      put(text("mnist/", part, "-images-idx3-ubyte.gz"), gzip(encode_idx_images(images)));
      put(text("mnist/", part, "-labels-idx1-ubyte.gz"), gzip(encode_idx_labels(labels)));
    }
  }

  void put(const std::string& name, const std::vector<std::uint8_t>& content) const {
    std::ofstream(folder_ / name, std::ios::binary) << std::string(content.begin(), content.end());
  }

  void make(const std::string& more) const {
    const Outcome made =
        run_shell(text("ORTHOTOPE=", ORTHO_BINARY, ' ', ORTHO_SOURCE_DIR, "/launch/digits.sh ",
                       folder_ / "sounds", ' ', folder_ / "mnist", ' ', folder_ / "out", more));
    ASSERT_EQ(made.code, 0) << made.output;
  }

  Dataset data(const std::string& name, Split split) const {
    return Dataset({(folder_ / "out") + "/" + name}, split);
  }

  static std::string words_of(const Part& part) {
    const auto points = code_points(part.bytes.data(), part.dtype, part.shape[0]);
    return encode_utf8(std::u32string(points.begin(), points.end()));
  }

  // The digit that a test sound was made of: half as many samples, at half the rate.
  static std::size_t digit_of(const Part& sound) { return (sound.shape[0] - 50) / 5; }

  // Of the test sounds, those whose word, and whose image, show their digit.
  std::pair<int, int> right() const {
    int words = 0, images = 0;
    const Dataset named = data("sound-word", Split::test), drawn = data("sound-image", Split::test);
    EXPECT_EQ(named.records(), 10);
    EXPECT_EQ(drawn.records(), 10);
    for (std::int64_t i = 0; i < 10; ++i) {
      const Record word = named.record(i), image = drawn.record(i);
      words += words_of(word.parts[1]) == kWords[digit_of(word.parts[0])];
      images += (image.parts[1].bytes[0] == 255) == (digit_of(image.parts[0]) >= 5);
    }
    return {words, images};
  }

  TempFolder folder_;
};

TEST_F(DigitsLists, RecordsShareADigitOrAreTheControl) {
  make("");
  EXPECT_EQ(right(), (std::pair{10, 10}));
  EXPECT_EQ(data("sound-word", Split::train).records(), 9 * 10);  // at nine speeds
  EXPECT_EQ(data("image-word", Split::train).records(), 20);
  EXPECT_EQ(data("image-word", Split::test).records(), 20);
  const Record image = data("image-word", Split::train).record(7);
  EXPECT_EQ(image.parts[0].shape[1], 16U);
  EXPECT_EQ(words_of(image.parts[1]), "seven");
  EXPECT_EQ(data("word-image", Split::train).record(7).parts[1].bytes[0], 255);
  make(" --shuffled");
  EXPECT_LE(right().first, 4);  // of draws that are fixed: 1 of 10 expected
}

TEST_F(DigitsLists, SaysHowItIsUsed) {
  const Outcome bare = run_shell(text(ORTHO_SOURCE_DIR, "/launch/digits.sh"));
  EXPECT_EQ(bare.code, 64);
  EXPECT_NE(bare.output.find("SOUNDS MNIST OUT"), std::string::npos) << bare.output;
}

}  // namespace
}  // namespace ortho
