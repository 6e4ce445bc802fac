#include "dataio/shard.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>

#include "dataio/hdf5.h"
#include "tests/dataio/samples.h"

namespace ortho {
namespace {

constexpr std::uint64_t kBlock = std::uint64_t{1} << 16;

TEST(Shard, RoundTripOfEveryKind) {
  const TempFolder folder;
  const ShardReader reader(made_shard(folder, {made_record(1), made_record(2)}));
  EXPECT_EQ(reader.dataset_id(), made_id());
  EXPECT_EQ(reader.shard_index(), 7u);
  EXPECT_EQ(reader.block_bytes(), kBlock);
  EXPECT_EQ(reader.records(), 2u);
  EXPECT_EQ(reader.parts(), 10u);
  EXPECT_EQ(reader.blocks(), 1u);
  expect_same(reader.read_record(0), made_record(1));
  expect_same(reader.read_record(1), made_record(2));
}

// Records interleaved over three splits: each split
// keeps its order, no block mixes splits, all come back.
TEST(Shard, ManyRecordsInThreeSplits) {
  const TempFolder folder;
  std::vector<Record> records;
  for (std::uint64_t i = 0; i < 600; ++i)
    records.push_back(made_record(i, static_cast<Split>(i % 7 % 3)));
  const ShardReader reader(made_shard(folder, records));
  EXPECT_EQ(reader.records(), 600u);
  EXPECT_GT(reader.blocks(), 10u);
  std::map<Split, std::vector<Record>> by_split;
  for (const Record& record : records) by_split[record.split].push_back(record);
  std::map<Split, std::size_t> seen;
  std::uint64_t next = 0, next_block = 0, payload = 0;
  for (const Unit& unit : reader.units()) {
    EXPECT_EQ(unit.first_record, next);
    EXPECT_EQ(unit.first_block, next_block);
    next += unit.records;
    next_block += unit.blocks;
    for (std::uint64_t i = unit.first_record; i < next; ++i) {
      EXPECT_EQ(reader.record(i).split, unit.split);
      EXPECT_EQ(&reader.units()[reader.record(i).unit], &unit);
      expect_same(reader.read_record(i), by_split[unit.split].at(seen[unit.split]++));
      for (const PartPlace& part : reader.record(i).parts) payload += part.nbytes;
    }
  }
  EXPECT_EQ(next, 600u);
  EXPECT_EQ(next_block, reader.blocks());
  EXPECT_EQ(payload, reader.payload_bytes());
}

TEST(Shard, RecordLargerThanABlockOwnsItsRun) {
  const TempFolder folder;
  const Record large{{made_part(PartKind::label, DType::u8, {3, 1, 1, 1}, 5),
                      made_part(PartKind::audio, DType::i16, {100000, 1, 1, 1}, 6, {8000, 1})},
                     "long.wav",
                     Split::train};
  const Record exact{
      {made_part(PartKind::text, DType::u8, {kBlock, 1, 1, 1}, 8)}, "exact.txt", Split::train};
  const std::vector<Record> records = {made_record(1), large, made_record(2), exact};
  const ShardReader reader(made_shard(folder, records));
  ASSERT_EQ(reader.units().size(), 4u);
  EXPECT_EQ(reader.units()[1].blocks, 4u);  // 200,008 bytes in blocks of 65,536
  EXPECT_EQ(reader.units()[1].records, 1u);
  EXPECT_EQ(reader.unit_bytes(1), 4 * kBlock);
  EXPECT_EQ(reader.units()[3].blocks, 1u);
  for (std::size_t i = 0; i < records.size(); ++i) expect_same(reader.read_record(i), records[i]);
}

TEST(Shard, UnitBytesHoldThePartsAndZeros) {
  const TempFolder folder;
  const ShardReader reader(made_shard(folder, {made_record(3)}));
  std::vector<std::uint8_t> bytes;
  reader.read_unit(0, bytes);
  ASSERT_EQ(bytes.size(), kBlock);
  std::uint64_t end = 0;
  for (const PartPlace& part : reader.record(0).parts) {
    EXPECT_EQ(part.offset % 8, 0u);
    for (; end < part.offset; ++end) EXPECT_EQ(bytes[end], 0);
    end = part.offset + part.nbytes;
  }
  for (; end < bytes.size(); ++end) ASSERT_EQ(bytes[end], 0) << end;
}

TEST(Shard, WithoutRecordsAndWithOneSplit) {
  const TempFolder folder;
  const ShardReader empty(made_shard(folder, {}));
  EXPECT_EQ(empty.records() + empty.blocks() + empty.units().size(), 0u);
  empty.verify();
  const ShardReader test_only(made_shard(folder, {made_record(1, Split::test)}));
  ASSERT_EQ(test_only.units().size(), 1u);
  EXPECT_EQ(test_only.units()[0].split, Split::test);
}

TEST(Shard, DeflatedReadsTheSame) {
  const TempFolder folder;
  const Record plain{{made_text(std::string(50000, 'x'))}, "x.txt", Split::train};
  const std::string path = made_shard(folder, {plain, made_record(9)}, 1);
  EXPECT_LT(std::filesystem::file_size(path),
            2 * kBlock / 2);  // 50,000 equal letters nearly vanish
  const ShardReader reader(path);
  expect_same(reader.read_record(0), plain);
  expect_same(reader.read_record(1), made_record(9));
}

TEST(Shard, TextTakesTheNarrowestWidth) {
  for (const auto& [largest, dtype] : {std::pair{0xffu, DType::u8}, std::pair{0xffffu, DType::u16},
                                       std::pair{0x10ffffu, DType::u32}}) {
    const std::vector<std::uint32_t> points = {0, 65, largest, 1};
    const Part part = text_part(points);
    EXPECT_EQ(part.dtype, dtype);
    EXPECT_EQ(part.bytes.size(), 4 * bytes_of(dtype));
    EXPECT_EQ(code_points(part.bytes.data(), part.dtype, 4), points);
  }
}

TEST(Shard, FlippedPayloadByteNamesBlockAndSums) {
  const TempFolder folder;
  const Record large{
      {made_part(PartKind::text, DType::u8, {150000, 1, 1, 1}, 1)}, "a.txt", Split::train};
  Record marked{{made_text("a mark that stands once")}, "b.txt", Split::train};
  const std::string path = made_shard(folder, {large, marked});
  flip_behind(path, "a mark that stands once", 2);
  const ShardReader reader(path);
  expect_same(reader.read_record(0), large);
  const Error error = error_of([&] { reader.read_record(1); });
  EXPECT_EQ(error.kind(), ErrorKind::data);
  EXPECT_SAYS(error, path + " block 3 has checksum ");
  EXPECT_SAYS(error, ", expected ");
  EXPECT_EQ(error_of([&] { reader.verify(); }).kind(), ErrorKind::data);
}

TEST(Shard, BadRecordsAreRefused) {
  const TempFolder folder;
  ShardWriter writer(folder / "a.h5", made_id(), 0);
  const auto refused = [&](const Part& part, const char* words) {
    const Error error = error_of([&] { writer.add({{part}, "bad.png", Split::train}); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_SAYS(error, "bad.png");
    EXPECT_SAYS(error, words);
  };
  refused(made_part(PartKind::image, DType::u16, {1, 2, 2, 3}, 1), "image of type u16");
  refused(made_part(PartKind::image, DType::u8, {1, 2, 2, 4}, 1), "image of shape [1, 2, 2, 4]");
  refused(made_part(PartKind::audio, DType::i16, {9, 1, 1, 1}, 1), "audio with rate 0/1");
  refused(made_part(PartKind::text, DType::u8, {0, 1, 1, 1}, 1), "empty");
  Part cut = made_part(PartKind::image, DType::u8, {1, 2, 2, 3}, 1);
  cut.bytes.pop_back();
  refused(cut, "11 bytes where 12 belong");
  EXPECT_SAYS(error_of([&] { writer.add({{}, "bad.png", Split::train}); }), "no parts");
  EXPECT_SAYS(error_of([&] { writer.add({{made_text("a")}, "bad\xff", Split::train}); }), "UTF-8");
  EXPECT_SAYS(error_of([&] { ShardWriter(folder / "b.h5", made_id(), 0, {100000, 0}); }), "100000");
}

TEST(Shard, UnfinishedLeavesNothing) {
  const TempFolder folder;
  { ShardWriter(folder / "a.h5", made_id(), 0).add(made_record(1)); }
  EXPECT_TRUE(list_folder(folder.path()).empty());
}

// A child dies by SIGKILL after two blocks: no file under
// the final name, and what it leaves does not open.
TEST(Shard, KilledWriterLeavesNoShard) {
  const TempFolder folder;
  const std::string path = folder / "a.h5";
  const pid_t child = ::fork();
  if (child == 0) {
    ShardWriter writer(path, made_id(), 0, {kBlock, 0});
    for (std::uint64_t i = 0; i < 100; ++i) writer.add(made_record(i));
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EXPECT_FALSE(file_exists(path));
  ASSERT_TRUE(file_exists(path + ".tmp"));
  EXPECT_SAYS(error_of([&] { ShardReader(path + ".tmp"); }), path + ".tmp");
  EXPECT_EQ(made_shard(folder, {made_record(1)}),
            folder / "made.h5");  // the folder still works
}

// The disk fills in the payload, in the directory, and in the last kilobytes.
TEST(Shard, FullDiskIsAnErrorAndLeavesNothing) {
  const TempFolder folder;
  std::vector<Record> records;
  for (std::uint64_t i = 0; i < 500; ++i) records.push_back(made_record(i));
  const std::uint64_t whole = std::filesystem::file_size(made_shard(folder, records));
  std::filesystem::remove(folder / "made.h5");
  for (const std::uint64_t limit :
       {std::uint64_t{100}, kBlock, whole / 2, whole - 30000, whole - 1}) {
    const Error error = error_of([&] {
      const FullDisk full(limit);
      made_shard(folder, records);
    });
    EXPECT_EQ(error.kind(), ErrorKind::disk) << error.what();
    EXPECT_SAYS(error, "made.h5");
    EXPECT_TRUE(list_folder(folder.path()).empty()) << "limit " << limit;
  }
  EXPECT_EQ(ShardReader(made_shard(folder, records)).records(), 500u);  // the library still works
}

TEST(Shard, MissingFolderAndMissingFile) {
  const TempFolder folder;
  const Error no_folder = error_of([&] { ShardWriter(folder / "none/a.h5", made_id(), 0); });
  EXPECT_EQ(no_folder.kind(), ErrorKind::disk);
  EXPECT_SAYS(no_folder, "No such file or directory");
  const Error no_file = error_of([&] { ShardReader(folder / "a.h5"); });
  EXPECT_EQ(no_file.kind(), ErrorKind::usage);
  EXPECT_SAYS(no_file, folder / "a.h5");
}

}  // namespace
}  // namespace ortho
