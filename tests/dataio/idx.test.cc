#include "dataio/media/idx.h"

#include <gtest/gtest.h>

#include "dataio/media/gzip.h"
#include "tests/support/errors.h"
#include "tests/support/hostile.h"

namespace ortho {
namespace {

const IdxImages kImages = {3, 2, 2, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};
const Decode images = [](const Bytes& bytes, const std::string& name) {
  decode_idx_images(bytes, name);
};
const Decode labels = [](const Bytes& bytes, const std::string& name) {
  decode_idx_labels(bytes, name);
};

TEST(Idx, ImagesAndLabelsPlainAndCompressed) {
  const Bytes plain = encode_idx_images(kImages);
  EXPECT_TRUE(is_idx_images(plain));
  for (const Bytes& bytes : {plain, gzip(plain)}) {
    const IdxImages back = decode_idx_images(bytes, "a");
    EXPECT_EQ(back.count, 3);
    EXPECT_EQ(back.rows, 2);
    EXPECT_EQ(back.columns, 2);
    EXPECT_EQ(back.grey, kImages.grey);
  }
  EXPECT_EQ(idx_image(kImages, 2).rgb, (Bytes{9, 9, 9, 10, 10, 10, 11, 11, 11, 12, 12, 12}));
  const Bytes digits = {7, 0, 9};
  EXPECT_EQ(decode_idx_labels(encode_idx_labels(digits), "l"), digits);
  EXPECT_EQ(decode_idx_labels(gzip(encode_idx_labels(digits)), "l"), digits);
}

TEST(Idx, HostileFilesEndInAnError) {
  for (const Bytes& bytes : {encode_idx_images(kImages), gzip(encode_idx_images(kImages))}) {
    expect_truncations_refused(bytes, images);
    expect_changes_survived(bytes, images);
  }
  expect_truncations_refused(encode_idx_labels(Bytes{1, 2, 3}), labels);
  expect_changes_survived(gzip(encode_idx_labels(Bytes{1, 2, 3})), labels);
}

TEST(Idx, ErrorsNameFileFieldAndBothValues) {
  Bytes bytes = encode_idx_images(kImages);
  bytes[7] = 4;  // the count
  std::string message = message_of([&] { decode_idx_images(bytes, "t.idx"); }, ErrorKind::data);
  EXPECT_NE(message.find("t.idx: the IDX header says count 4, rows 2, columns 2, which takes 16 "
                         "bytes, but 12 bytes follow it"),
            std::string::npos)
      << message;
  message = message_of([&] { decode_idx_labels(bytes, "t.idx"); }, ErrorKind::data);
  EXPECT_NE(message.find("magic number is 00000803, expected 00000801"), std::string::npos)
      << message;
  bytes[4] = bytes[8] = bytes[12] = 0xFF;  // sizes whose product passes 64 bits
  message_of([&] { decode_idx_images(bytes, "t.idx"); }, ErrorKind::data);
}

TEST(Gzip, SeveralMembersAndALimit) {
  Bytes two = gzip(Bytes(1000, 'a'));
  const Bytes second = gzip(Bytes(500, 'b'));
  two.insert(two.end(), second.begin(), second.end());
  const Bytes out = gunzip(two, "two.gz");
  EXPECT_EQ(out.size(), 1500u);
  EXPECT_EQ(out[999], 'a');
  EXPECT_EQ(out[1000], 'b');
  const Bytes bomb = gzip(Bytes(10'000'000, 0));
  const std::string message =
      message_of([&] { gunzip(bomb, "bomb.gz", 1 << 20); }, ErrorKind::data);
  EXPECT_NE(message.find("bomb.gz unpacks to more than 1048576 bytes"), std::string::npos);
  EXPECT_EQ(gunzip(bomb, "bomb.gz").size(), 10'000'000u);
}

}  // namespace
}  // namespace ortho
