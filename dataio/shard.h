// A shard is one HDF5 file of records in blocks: written once, whole or absent, checked before use.
//
// The format is version 1 of docs/files.md. A record crosses no block edge unless
// it is larger than a block; then it starts one and owns the run behind it.
// A block holds one split and carries its CRC32C. A unit, a block with
// its continuation blocks, is what is read, verified and shuffled as one.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataio/record.h"

namespace ortho {

using DatasetId = std::array<std::uint8_t, 16>;  // the same in all shards that one `pack` wrote

struct ShardOptions {
  std::uint64_t block_bytes = std::uint64_t{1} << 20;  // a power of two, 64 KiB to 64 MiB
  int deflate = 0;  // 0 (none) to 9: shuffle + deflate, slow to read
};

constexpr std::uint64_t kUnitBytesLimit = std::uint64_t{1}
                                          << 30;  // the largest record, in whole blocks

// Writes NAME.tmp; finish() makes it NAME. Destroyed before that, it leaves nothing.
// Memory: one block a split, or a record larger than that, and the directory.
class ShardWriter {
 public:
  ShardWriter(const std::string& path, const DatasetId& dataset_id, std::uint32_t shard_index,
              const ShardOptions& options = {});
  ~ShardWriter();
  ShardWriter(const ShardWriter&) = delete;
  ShardWriter& operator=(const ShardWriter&) = delete;

  // Records of one split keep their order. Error(usage) naming the source when a part is malformed.
  void add(const Record& record);

  std::uint64_t records() const;  // added so far
  std::uint64_t bytes() const;    // of payload so far: when to start the next shard

  // Closes, reads everything back, syncs and renames.
  // Error(disk) when any of it fails; nothing is left then.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A part's place: `offset` counts from the start of the payload; in the bytes of its unit it is at
// offset - unit.first_block * block_bytes.
struct PartPlace {
  PartKind kind;
  DType dtype;
  std::array<std::uint32_t, 4> shape;
  std::array<std::uint32_t, 2> rate;
  std::uint64_t offset, nbytes;
};

struct RecordPlace {
  std::span<const PartPlace> parts;
  std::string_view source;
  Split split;
  std::uint64_t unit;
};

struct Unit {
  std::uint64_t first_record, records;
  std::uint64_t first_block, blocks;
  Split split;
};

struct ShardLimits {
  std::uint64_t directory_bytes = std::uint64_t{1}
                                  << 30;  // refuse a shard whose directory needs more
};

// Opening checks everything but the payload, reading a unit checks its blocks. Every complaint is
// an Error(data) that names the file and what is wrong. One thread at a time.
class ShardReader {
 public:
  explicit ShardReader(const std::string& path, const ShardLimits& limits = {});
  ~ShardReader();
  ShardReader(ShardReader&&) noexcept;
  ShardReader& operator=(ShardReader&&) noexcept;

  const std::string& path() const;
  const DatasetId& dataset_id() const;
  std::uint32_t shard_index() const;
  std::uint64_t block_bytes() const;
  std::uint64_t payload_bytes() const;  // of the parts, without the blocks' tails
  std::uint64_t records() const;
  std::uint64_t parts() const;
  std::uint64_t blocks() const;

  const std::vector<Unit>& units()
      const;  // in file order; together they are all blocks and records
  RecordPlace record(std::uint64_t i) const;  // views into the reader

  // The whole blocks of unit u, each CRC verified.
  // The second form takes unit_bytes(u) bytes at `out`.
  void read_unit(std::uint64_t u, std::vector<std::uint8_t>& bytes) const;
  void read_unit(std::uint64_t u, std::uint8_t* out) const;
  std::uint64_t unit_bytes(std::uint64_t u) const;

  Record read_record(std::uint64_t i) const;  // reads its whole unit
  void verify() const;                        // reads and checks every block

  // For bench/shard.cc: blocks as stored, not verified.
  void read_blocks_unverified(std::uint64_t first, std::uint64_t count, std::uint8_t* out) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ortho
