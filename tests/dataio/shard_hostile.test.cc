#include <gtest/gtest.h>

#include <functional>

#include "dataio/crc32c.h"
#include "dataio/shard_directory.h"
#include "tests/dataio/samples.h"
#include "tests/support/hostile.h"

namespace ortho {
namespace {

constexpr std::uint64_t kBlock = std::uint64_t{1} << 16;

// What a forger can set: the head, and every column; the checksum is made to fit.
struct Forgery {
  std::string format = "orthotope-shard", checksum = "crc32c";
  std::uint32_t major = 1, minor = 0;
  std::optional<std::uint8_t> complete = 1;
  std::optional<std::uint32_t> directory_crc32c;
  std::uint64_t payload_bytes = 2 * kBlock;  // extent of /payload
  ShardDirectory directory;
};

// Two records of two parts in two blocks of zeros, all promises kept.
Forgery honest() {
  const std::vector<std::uint8_t> zeros(kBlock);
  Forgery forgery;
  ShardDirectory& d = forgery.directory;
  d.block_bytes = kBlock;
  d.payload_bytes = 4 * 12;
  d.first_record = {0, 1, 2};
  d.block_crc32c.assign(2, crc32c(zeros.data(), zeros.size()));
  d.first_part = {0, 2, 4};
  d.source = {0, 1};
  d.split = {0, 2};
  d.modality = {0, 1, 0, 1};
  d.dtype = {0, 0, 0, 0};
  d.shape = {12, 1, 1, 1, 1, 2, 2, 3, 12, 1, 1, 1, 1, 2, 2, 3};
  d.rate = {0, 1, 0, 1, 0, 1, 0, 1};
  d.offset = {0, 16, kBlock, kBlock + 16};
  d.nbytes = {12, 12, 12, 12};
  d.source_text = {'a', 'b'};
  d.source_offset = {0, 1, 2};
  return forgery;
}

std::uint32_t sum_of(const ShardDirectory& directory) {
  std::uint32_t sum = 0;
  for_each_column(directory, [&](const char*, const auto& column, std::uint64_t) {
    sum = crc32c(column.data(), column.size() * sizeof(column[0]), sum);
  });
  return sum;
}

void write_head(Hdf5File& file, const Forgery& forgery) {
  const ShardDirectory& d = forgery.directory;
  file.write_attribute("format", forgery.format);
  file.write_attribute("version_major", forgery.major);
  file.write_attribute("version_minor", forgery.minor);
  file.write_attribute("dataset_id", std::span<const std::uint8_t>(d.dataset_id));
  file.write_attribute("shard_index", std::uint32_t{0});
  file.write_attribute("block_bytes", d.block_bytes);
  file.write_attribute("n_records", d.records());
  file.write_attribute("n_parts", d.parts());
  file.write_attribute("payload_bytes", d.payload_bytes);
  file.write_attribute("checksum", forgery.checksum);
  file.write_attribute("directory_crc32c", forgery.directory_crc32c.value_or(sum_of(d)));
  if (forgery.complete) file.write_attribute("complete", *forgery.complete);
}

void write_forgery(const std::string& path, const Forgery& forgery) {
  Hdf5File file = Hdf5File::create(path);
  const std::vector<std::uint8_t> zeros(forgery.payload_bytes);
  file.create_dataset("/payload", Number::u8, {zeros.size()}, zeros.data()).close();
  for_each_column(forgery.directory,
                  [&](const char* name, const auto& column, std::uint64_t columns) {
                    using Value = typename std::remove_cvref_t<decltype(column)>::value_type;
                    std::vector<std::uint64_t> shape = {column.size()};
                    if (columns != 0) shape = {column.size() / columns, columns};
                    file.create_dataset(name, NumberOf<Value>::value, shape, column.data()).close();
                  });
  write_head(file, forgery);
  file.sync_and_close();
}

// The reader's complaint about `honest` after `forge` has been at it.
void expect_refused(const std::function<void(Forgery&)>& forge, const std::string& words) {
  const TempFolder folder;
  const std::string path = folder / "forged.h5";
  Forgery forgery = honest();
  forge(forgery);
  write_forgery(path, forgery);
  const Error error = error_of([&] { ShardReader(path).verify(); });
  EXPECT_EQ(error.kind(), ErrorKind::data) << words;
  EXPECT_SAYS(error, path);
  EXPECT_SAYS(error, words);
}

// Contiguous, not chunked as our writer's: readers take both.
TEST(ShardHostile, TheHonestOneIsRead) {
  const TempFolder folder;
  write_forgery(folder / "a.h5", honest());
  const ShardReader reader(folder / "a.h5");
  reader.verify();
  EXPECT_EQ(reader.records(), 2u);
  EXPECT_EQ(reader.record(1).source, "b");
}

TEST(ShardHostile, UnknownMinorVersionIsRead) {
  const TempFolder folder;
  Forgery forgery = honest();
  forgery.minor = 41;
  write_forgery(folder / "a.h5", forgery);
  ShardReader(folder / "a.h5").verify();
}

TEST(ShardHostile, Heads) {
  expect_refused([](Forgery& f) { f.format = "orthotope-boxes"; },
                 "\"orthotope-boxes\", not \"orthotope-shard\"");
  expect_refused([](Forgery& f) { f.major = 2; }, "format version 2");
  expect_refused([](Forgery& f) { f.complete.reset(); }, "not complete");
  expect_refused([](Forgery& f) { f.complete = 0; }, "not complete");
  expect_refused([](Forgery& f) { f.checksum = "xxh3"; }, "\"xxh3\"");
  expect_refused([](Forgery& f) { f.directory_crc32c = 5; }, ", expected 00000005");
  expect_refused([](Forgery& f) { f.directory.block_bytes = 0; }, "blocks of 0 bytes");
  expect_refused([](Forgery& f) { f.directory.block_bytes = 3 * kBlock; },
                 "blocks of 196608 bytes");
  expect_refused([](Forgery& f) { f.directory.block_bytes = std::uint64_t{1} << 40; },
                 "blocks of 1099511627776");
  expect_refused([](Forgery& f) { f.payload_bytes = kBlock; },
                 "/payload has 65536 bytes where 2 blocks");
  expect_refused([](Forgery& f) { f.directory.payload_bytes = 47; },
                 "payload_bytes is 47, the parts have 48");
}

TEST(ShardHostile, Offsets) {
  expect_refused(
      [](Forgery& f) {
        f.directory.first_record = {1, 1, 2};
      },
      "/block/first_record starts at 1");
  expect_refused(
      [](Forgery& f) {
        f.directory.first_record = {0, 3, 2};
      },
      "/block/first_record falls from 3 to 2");
  expect_refused(
      [](Forgery& f) {
        f.directory.first_record = {0, 1, 1};
      },
      "/block/first_record ends at 1, not at 2");
  expect_refused(
      [](Forgery& f) {
        f.directory.first_record = {0, 2};
      },
      "/block/first_record has 2 entries");
  expect_refused([](Forgery& f) { f.directory.first_record = {}; },
                 "/block/first_record has 0 entries");
  expect_refused(
      [](Forgery& f) {
        f.directory.first_record = {0, 0, 2};
      },
      "block 0 starts no record");
  expect_refused(
      [](Forgery& f) {
        f.directory.first_part = {0, 2, 5};
      },
      "/record/first_part ends at 5");
  expect_refused([](Forgery& f) { f.directory.first_part = {0, 4, 4}; }, "record 1 has no parts");
  expect_refused(
      [](Forgery& f) {
        f.directory.source_offset = {0, 1, 9};
      },
      "/source/offset ends at 9");
  expect_refused([](Forgery& f) { f.directory.source_offset = {}; }, "/source/offset is empty");
}

TEST(ShardHostile, Records) {
  expect_refused([](Forgery& f) { f.directory.split = {0, 3}; }, "record 1 has unknown split 3");
  expect_refused([](Forgery& f) { f.directory.source = {0, 2}; }, "record 1 names source 2 of 2");
  expect_refused([](Forgery& f) { f.directory.source = {0}; }, "/record/source has 1 rows");
  expect_refused(
      [](Forgery& f) {
        f.directory.source_text = {'a', 0xc0};
      },
      "source 1 is not valid UTF-8");
}

TEST(ShardHostile, Parts) {
  expect_refused([](Forgery& f) { f.directory.modality[1] = 9; },
                 "record 0 part 1: unknown modality 9");
  expect_refused([](Forgery& f) { f.directory.dtype[1] = 200; },
                 "record 0 part 1: unknown type 200");
  expect_refused([](Forgery& f) { f.directory.dtype[1] = 2; }, "image of type u32");
  expect_refused([](Forgery& f) { f.directory.shape[7] = 1; }, "image of shape [1, 2, 2, 1]");
  expect_refused([](Forgery& f) { f.directory.shape[0] = 0; }, "empty or too large");
  expect_refused([](Forgery& f) { f.directory.shape[5] = f.directory.shape[6] = UINT32_MAX; },
                 "empty or too large");
  expect_refused([](Forgery& f) { f.directory.shape[0] = 13; }, "has 12 bytes where 13 belong");
  expect_refused([](Forgery& f) { f.directory.rate[1] = 0; }, "text with rate 0/0");
  expect_refused([](Forgery& f) { f.directory.offset.pop_back(); },
                 "/part/offset has 3 rows where 4 belong");
  expect_refused([](Forgery& f) { f.directory.shape.resize(12); },
                 "/part/shape has 3 rows where 4 belong");
}

TEST(ShardHostile, Places) {
  expect_refused([](Forgery& f) { f.directory.offset[1] = 17; }, "no multiple of 8");
  expect_refused([](Forgery& f) { f.directory.offset[1] = 8; },
                 "part 1 starts at byte 8, before 12");
  expect_refused([](Forgery& f) { f.directory.offset[1] = kBlock - 8; }, "leaves its unit");
  expect_refused([](Forgery& f) { f.directory.offset[2] = 32; },
                 "part 2 starts at byte 32, before 65536");
  expect_refused([](Forgery& f) { f.directory.offset[3] = ~std::uint64_t{7}; }, "leaves its unit");
}

// Two records in the first block of a run, or one block with two splits.
TEST(ShardHostile, Units) {
  const auto in_first_block = [](Forgery& f) { f.directory.offset = {0, 16, 32, 48}; };
  expect_refused(
      [&](Forgery& f) {
        in_first_block(f);
        f.directory.first_record = {0, 2, 2};
        f.directory.split = {0, 0};
      },
      "block 0 starts 2 records and goes on");
  expect_refused(
      [&](Forgery& f) {
        in_first_block(f);
        f.directory.first_record = {0, 2};
        f.directory.block_crc32c.pop_back();
        f.payload_bytes = kBlock;
      },
      "block 0 mixes splits: record 1");
}

TEST(ShardHostile, BlockChecksum) {
  expect_refused([](Forgery& f) { f.directory.block_crc32c[1] = 0xabc; }, "block 1 has checksum ");
  expect_refused([](Forgery& f) { f.directory.block_crc32c[1] = 0xabc; }, ", expected 00000abc");
}

TEST(ShardHostile, WrongTypesAndMissingDatasets) {
  const TempFolder folder;
  const std::string path = folder / "a.h5";
  const Forgery forgery = honest();
  {
    Hdf5File file = Hdf5File::create(path);
    write_head(file, forgery);
    file.sync_and_close();
  }
  EXPECT_SAYS(error_of([&] { ShardReader reader(path); }), path + " has no /block");
  {
    Hdf5File file = Hdf5File::create(path);
    write_head(file, forgery);
    const std::uint32_t narrow[3] = {0, 1, 2};
    file.create_dataset("/block/first_record", Number::u32, {3}, narrow).close();
    file.sync_and_close();
  }
  EXPECT_SAYS(error_of([&] { ShardReader reader(path); }),
              path + " /block/first_record is not of type u64");
  {
    Hdf5File file = Hdf5File::create(path);
    file.write_attribute("format", std::uint32_t{5});
    file.sync_and_close();
  }
  EXPECT_SAYS(error_of([&] { ShardReader reader(path); }), "attribute format is not one text");
}

TEST(ShardHostile, DirectoryBeyondTheMemoryLimit) {
  const TempFolder folder;
  write_forgery(folder / "a.h5", honest());
  const Error error = error_of([&] { ShardReader reader(folder / "a.h5", {100}); });
  EXPECT_EQ(error.kind(), ErrorKind::data);
  EXPECT_SAYS(error, "passes the limit of 100 bytes");
}

TEST(ShardHostile, FlippedDirectoryByteOfARealShard) {
  const TempFolder folder;
  const std::string path = made_shard(folder, {made_record(1), made_record(30)});
  flip_behind(path, "folder/file-0.png", 3);
  const Error error = error_of([&] { ShardReader reader(path); });
  EXPECT_EQ(error.kind(), ErrorKind::data);
  EXPECT_SAYS(error, path + ": the directory has checksum ");
}

TEST(ShardHostile, TruncatedAndForeignFiles) {
  const TempFolder folder;
  const std::string path = made_shard(folder, {made_record(1)});
  const auto bytes = read_bytes(path);
  for (const std::size_t size :
       {bytes.size() - 1, bytes.size() / 2, std::size_t{100}, std::size_t{0}}) {
    write_bytes(path, {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)});
    const Error error = error_of([&] { ShardReader reader(path); });
    EXPECT_EQ(error.kind(), ErrorKind::data);
    EXPECT_SAYS(error, path);
  }
  write_bytes(path, {'P', '6', '\n'});
  EXPECT_SAYS(error_of([&] { ShardReader reader(path); }), "no HDF5 file");
}

std::vector<Record> all_records(const std::string& path) {
  const ShardReader reader(path);
  EXPECT_EQ(reader.dataset_id(), made_id());
  EXPECT_EQ(reader.shard_index(), 7u);
  std::vector<Record> records;
  for (std::uint64_t i = 0; i < reader.records(); ++i) records.push_back(reader.read_record(i));
  return records;
}

// Never a crash, never an exception that is not ours, never other records than were written.
TEST(ShardHostile, RandomDamageIsSeenOrHarmless) {
  const TempFolder folder;
  std::vector<Record> written;
  for (std::uint64_t i = 0; i < 12; ++i) written.push_back(made_record(i));
  const std::string path = made_shard(folder, written);
  const auto whole = read_bytes(path);
  const std::string mutated = folder / "mutated.h5";
  int seen = 0;
  for (std::uint64_t round = 0; round < 500; ++round) {
    write_bytes(mutated, damaged(whole, {11, "shard mutation", round}));
    try {
      const auto found = all_records(mutated);
      ASSERT_EQ(found.size(), written.size()) << "round " << round;
      for (std::size_t i = 0; i < found.size(); ++i) expect_same(found[i], written[i]);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::data) << "round " << round << ": " << error.what();
      EXPECT_SAYS(error, mutated);
      ++seen;
    }
  }
  // Most damage hits something that matters; gaps and unused bytes are the rest.
  EXPECT_GT(seen, 250);
}

}  // namespace
}  // namespace ortho
