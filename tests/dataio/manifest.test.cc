#include "dataio/manifest.h"

#include <gtest/gtest.h>

#include "tests/dataio/samples.h"

namespace ortho {
namespace {

Manifest made_manifest() {
  Manifest manifest;
  manifest.dataset_id = made_id();
  manifest.records = {90, 5, 6};
  manifest.parts = {101, 3, 4, 0, 7};
  manifest.audio_rates = {{8000, 1}, {44100, 1}};
  manifest.symbols = {10, 32, 0x3b1, 0x1f600};
  manifest.shards = {{"shard-0000.h5", 60, 3, 1234567, 0x0000beef},
                     {"shard-0001.h5", 41, 2, 99, 0xffffffff}};
  return manifest;
}

TEST(Manifest, TextIsWhatTheFormatSays) {
  EXPECT_EQ(
      manifest_text(made_manifest()),
      "# Written last: a file that is not named here is not part of the data set.\n"
      "format: orthotope-manifest\n"
      "version: 1\n"
      "dataset_id: \"0112233445566778899aabbccddeef00\"\n"
      "records: {train: 90, valid: 5, test: 6}\n"
      "parts: {text: 101, image: 3, audio: 4, video: 0, label: 7}\n"
      "audio_rates: [[8000, 1], [44100, 1]]\n"
      "symbols: [10, 32, 945, 128512]\n"
      "shards:\n"
      "  - {name: \"shard-0000.h5\", records: 60, blocks: 3, bytes: 1234567, crc32c: "
      "\"0000beef\"}\n"
      "  - {name: \"shard-0001.h5\", records: 41, blocks: 2, bytes: 99, crc32c: \"ffffffff\"}\n"
      "crc32c: \"f76e846e\"\n");
}

TEST(Manifest, RoundTrip) {
  const TempFolder folder;
  write_manifest(folder.path(), made_manifest());
  EXPECT_EQ(read_manifest(folder.path()), made_manifest());
  write_manifest(folder.path(), Manifest{});  // replaces; nothing in it is fine
  EXPECT_EQ(read_manifest(folder.path()), Manifest{});
  EXPECT_EQ(list_folder(folder.path()), std::vector<std::string>{"MANIFEST"});
}

TEST(Manifest, EveryChangedByteAndEveryCutIsRefused) {
  const std::string whole = manifest_text(made_manifest());
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_EQ(error_of([&] { parse_manifest(changed, "data/MANIFEST"); }).kind(), ErrorKind::data)
        << at;
    EXPECT_EQ(error_of([&] { parse_manifest(whole.substr(0, at), "data/MANIFEST"); }).kind(),
              ErrorKind::data)
        << at;
  }
  EXPECT_SAYS(error_of([&] { parse_manifest(whole + "x", "data/MANIFEST"); }), "something follows");
}

// Replaces `from` in a good manifest; the complaint must give the line and `words`.
void expect_refused(const std::string& from, const std::string& to, const std::string& words) {
  std::string content = manifest_text(made_manifest());
  const std::size_t at = content.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  content.replace(at, from.size(), to);
  EXPECT_SAYS(error_of([&] { parse_manifest(content, "data/MANIFEST"); }), words);
}

TEST(Manifest, ComplaintsNameTheLine) {
  expect_refused("version: 1", "version: 2", "data/MANIFEST line 1: ");
  expect_refused("records: {train", "records: {trian",
                 "data/MANIFEST line 5: \"{train: \" expected, found \"{trian");
  expect_refused("train: 90", "train: -90", "line 5: a number that fits");
  expect_refused("1234567", "99999999999999999999", "line 10: a number that fits");
  expect_refused("10, 32", "32, 10", "line 8: symbol 10 is no code point, or not above");
  expect_refused("128512", "1114112", "line 8: symbol 1114112");
  expect_refused("945", "55296", "line 8: symbol 55296");
  expect_refused("shard-0001.h5", "shard-0000.h5", "line 11: shard-0000.h5 is named twice");
  expect_refused("0000beef", "0000bee", "eight hexadecimal digits");
  expect_refused("0112", "011", "line 4: dataset_id needs 32");
  expect_refused("bytes: 99", "bytes: 98", "line 12: the lines above have checksum ");
}

TEST(Manifest, NamesStayInTheFolder) {
  for (const char* name : {"../a.h5", "/etc/passwd", "..", ".hidden", "", "a b", "sub/a.h5"})
    expect_refused("shard-0000.h5", name,
                   "line 10: \"" + std::string(name) + "\" names no file of this folder");
}

TEST(Manifest, AShardIsCountedAndItsFileChecked) {
  const TempFolder folder;
  const std::string path =
      made_shard(folder, {made_record(1), made_record(2, Split::test), made_record(3)});
  Manifest manifest;
  add_shard(manifest, path);
  ASSERT_EQ(manifest.shards.size(), 1u);
  EXPECT_EQ(manifest.shards[0].name, "made.h5");
  EXPECT_EQ(manifest.shards[0].records, 3u);
  EXPECT_EQ(manifest.shards[0].blocks, 2u);
  EXPECT_EQ(manifest.shards[0].bytes, std::filesystem::file_size(path));
  EXPECT_EQ(manifest.records, (std::array<std::uint64_t, kSplits>{2, 0, 1}));
  EXPECT_EQ(manifest.parts, (std::array<std::uint64_t, kPartKinds>{3, 3, 3, 3, 3}));
  ASSERT_EQ(manifest.audio_rates.size(), 1u);
  EXPECT_EQ(manifest.audio_rates[0][0], 44100u);
  check_shard_file(folder.path(), manifest.shards[0]);
  flip_behind(path, "folder/file-1.png", 0);
  EXPECT_SAYS(error_of([&] { check_shard_file(folder.path(), manifest.shards[0]); }),
              path + " has checksum ");
  write_bytes(path, {1, 2});
  EXPECT_SAYS(error_of([&] { check_shard_file(folder.path(), manifest.shards[0]); }),
              path + " has 2 bytes, the manifest says ");
}

}  // namespace
}  // namespace ortho
