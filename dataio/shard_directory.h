// The directory of a shard: every dataset but the payload,
// as columns, and the attributes of the root.
//
// One list, for_each_column, names the columns in the order of the format; it serves writing,
// reading and the checksum. An array with one entry more than its level has rows says where each
// row's entries begin.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dataio/hdf5.h"
#include "dataio/shard.h"

namespace ortho {

struct ShardDirectory {
  DatasetId dataset_id{};
  std::uint32_t shard_index = 0;
  std::uint64_t block_bytes = 0;
  std::uint64_t payload_bytes = 0;  // sum of nbytes

  std::vector<std::uint64_t> first_record;   // [blocks + 1]
  std::vector<std::uint32_t> block_crc32c;   // [blocks]
  std::vector<std::uint64_t> first_part;     // [records + 1]
  std::vector<std::uint32_t> source;         // [records]
  std::vector<std::uint8_t> split;           // [records]
  std::vector<std::uint8_t> modality;        // [parts]
  std::vector<std::uint8_t> dtype;           // [parts]
  std::vector<std::uint32_t> shape;          // [parts][4]
  std::vector<std::uint32_t> rate;           // [parts][2]
  std::vector<std::uint64_t> offset;         // [parts]
  std::vector<std::uint64_t> nbytes;         // [parts]
  std::vector<std::uint8_t> source_text;     // UTF-8, all names in a row
  std::vector<std::uint64_t> source_offset;  // [sources + 1]

  std::uint64_t blocks() const { return block_crc32c.size(); }
  std::uint64_t records() const { return split.size(); }
  std::uint64_t parts() const { return modality.size(); }
  std::uint64_t sources() const { return source_offset.size() - 1; }
};

// act(path, column, columns): in the format's order;
// `columns` is the second extent, 0 for a flat array.
template <class Directory, class Act>
void for_each_column(Directory& directory, Act act) {
  act("/block/first_record", directory.first_record, 0);
  act("/block/crc32c", directory.block_crc32c, 0);
  act("/record/first_part", directory.first_part, 0);
  act("/record/source", directory.source, 0);
  act("/record/split", directory.split, 0);
  act("/part/modality", directory.modality, 0);
  act("/part/dtype", directory.dtype, 0);
  act("/part/shape", directory.shape, 4);
  act("/part/rate", directory.rate, 2);
  act("/part/offset", directory.offset, 0);
  act("/part/nbytes", directory.nbytes, 0);
  act("/source/text", directory.source_text, 0);
  act("/source/offset", directory.source_offset, 0);
}

// Columns, attributes, and `complete` last.
void write_directory(Hdf5File& file, const ShardDirectory& directory);

// Attributes and columns, their sizes and checksum checked; Error(data) naming the file otherwise.
ShardDirectory read_directory(const Hdf5File& file, const ShardLimits& limits);

// Every promise of the format between the columns;
// Error(data) naming `path` and the first one broken.
void check_directory(const ShardDirectory& directory, const std::string& path);

// Blocks with their continuation blocks, of a checked directory.
std::vector<Unit> shard_units(const ShardDirectory& directory);

// Whether a block size is a power of two within the format's limits.
bool block_bytes_allowed(std::uint64_t block_bytes);

}  // namespace ortho
