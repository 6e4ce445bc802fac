// What the tests of dataio share: a folder of their own, errors as values, damage, made-up records.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "core/random.h"
#include "dataio/shard.h"
#include "tests/support/errors.h"
#include "tests/support/temp_folder.h"

namespace ortho {

#define EXPECT_SAYS(error, words) \
  EXPECT_NE(std::string((error).what()).find(words), std::string::npos) << (error).what()

inline void write_bytes(const std::string& path, const std::vector<std::uint8_t>& bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
}

// Flips one bit `offset` bytes behind the only place where `mark` stands in the file.
inline void flip_behind(const std::string& path, const std::string& mark, std::size_t offset) {
  std::vector<std::uint8_t> bytes = read_bytes(path);
  const auto found = std::search(bytes.begin(), bytes.end(), mark.begin(), mark.end());
  ASSERT_NE(found, bytes.end()) << mark;
  ASSERT_EQ(std::search(found + 1, bytes.end(), mark.begin(), mark.end()), bytes.end()) << mark;
  found[static_cast<std::ptrdiff_t>(offset)] ^= 0x10;
  write_bytes(path, bytes);
}

// A disk that is full at `bytes` a file: writes beyond fail with EFBIG instead of ENOSPC.
class FullDisk {
 public:
  explicit FullDisk(std::uint64_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit now{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
  }
  ~FullDisk() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
};

inline Part made_part(PartKind kind, DType dtype, const std::array<std::uint32_t, 4>& shape,
                      std::uint64_t seed, const std::array<std::uint32_t, 2>& rate = {0, 1}) {
  Part part{kind, dtype, shape, rate, std::vector<std::uint8_t>(part_bytes(shape, dtype))};
  const Random random(seed, "made part");
  for (std::size_t i = 0; i < part.bytes.size(); ++i)
    part.bytes[i] = static_cast<std::uint8_t>(random.bits(i));
  return part;
}

inline Part made_text(const std::string& words) { return text_part({words.begin(), words.end()}); }

// One of each kind, in an order and with sizes that leave gaps to multiples of 8.
inline Record made_record(std::uint64_t seed, Split split = Split::train) {
  const auto size = static_cast<std::uint32_t>(3 + seed % 50);
  return {{made_part(PartKind::image, DType::u8, {1, size, 5, 3}, seed),
           made_text("record " + std::to_string(seed)),
           made_part(PartKind::audio, DType::i16, {size * 7, 1, 1, 2}, seed, {44100, 1}),
           made_part(PartKind::video, DType::u8, {2, 3, size, 3}, seed, {30000, 1001}),
           made_part(PartKind::label, DType::u8, {1, 1, 1, 1}, seed)},
          "folder/file-" + std::to_string(seed / 3) + ".png",
          split};
}

inline DatasetId made_id() {
  DatasetId id{};
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::uint8_t>(17 * i + 1);
  return id;
}

inline void expect_same(const Record& found, const Record& expected) {
  EXPECT_EQ(found.source, expected.source);
  EXPECT_EQ(found.split, expected.split);
  ASSERT_EQ(found.parts.size(), expected.parts.size());
  for (std::size_t i = 0; i < found.parts.size(); ++i) {
    EXPECT_EQ(found.parts[i].kind, expected.parts[i].kind);
    EXPECT_EQ(found.parts[i].dtype, expected.parts[i].dtype);
    EXPECT_EQ(found.parts[i].shape, expected.parts[i].shape);
    EXPECT_EQ(found.parts[i].rate, expected.parts[i].rate);
    EXPECT_EQ(found.parts[i].bytes, expected.parts[i].bytes);
  }
}

// A shard of these records with the smallest blocks.
inline std::string made_shard(const TempFolder& folder, const std::vector<Record>& records,
                              int deflate = 0) {
  const std::string path = folder / "made.h5";
  ShardWriter writer(path, made_id(), 7, {std::uint64_t{1} << 16, deflate});
  for (const Record& record : records) writer.add(record);
  writer.finish();
  return path;
}

}  // namespace ortho
