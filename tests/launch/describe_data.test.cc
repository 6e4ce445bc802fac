#include "launch/describe_data.h"

#include <gtest/gtest.h>

#include "tests/support/make_data.h"

namespace ortho {
namespace {

TEST(DescribeData, Counts) {
  EXPECT_EQ(counted(0, "block"), "0 blocks");
  EXPECT_EQ(counted(1, "block"), "1 block");
}

TEST(DescribeData, Bytes) {
  EXPECT_EQ(bytes_text(0), "0 bytes");
  EXPECT_EQ(bytes_text(999), "999 bytes");
  EXPECT_EQ(bytes_text(1000), "1.0 kB");
  EXPECT_EQ(bytes_text(999'940), "999.9 kB");
  EXPECT_EQ(bytes_text(999'960), "1.0 MB");
  EXPECT_EQ(bytes_text(3'450'000'000), "3.5 GB");
}

TEST(DescribeData, AManifestNamesWhatIsThere) {
  Manifest manifest;
  manifest.records = {5, 0, 2};
  manifest.parts = {7, 1, 0, 0, 0};
  manifest.symbols = {'a', 'b'};
  manifest.shards = {{"a.h5", 3, 1, 1500, 0}, {"b.h5", 4, 1, 500, 0}};
  EXPECT_EQ(describe_manifest(manifest),
            "  7 records: 5 train, 2 test\n"
            "  parts: 7 text, 1 image; 2 symbols in texts; 2.0 kB in 2 shards\n");
}

TEST(DescribeData, ALongTextIsCutAtACodePoint) {
  std::string words;
  for (int i = 0; i < 61; ++i) words += "\u00e9";
  const std::string shown = describe_record({{text_of(words)}, "a\nb", Split::test});
  EXPECT_EQ(shown, "test \"a\\nb\": text of 61 \"" + words.substr(2) + "\"…");
}

}  // namespace
}  // namespace ortho
