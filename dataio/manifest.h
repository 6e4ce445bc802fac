// MANIFEST lies beside the shards of a data set
// and is written last: without it there is no data set.
//
// Plain text that any YAML parser reads, but read here by its own strict reader: the order and
// spelling of write_manifest, nothing else. Its last line is the CRC32C of all lines before.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "dataio/shard.h"

namespace ortho {

struct ManifestShard {
  std::string name;  // of a file in the manifest's own folder
  std::uint64_t records = 0;
  std::uint64_t blocks = 0;
  std::uint64_t bytes = 0;   // of the file
  std::uint32_t crc32c = 0;  // of the file
  bool operator==(const ManifestShard&) const = default;
};

struct Manifest {
  DatasetId dataset_id{};
  std::array<std::uint64_t, kSplits> records{};           // by Split
  std::array<std::uint64_t, kPartKinds> parts{};          // by PartKind
  std::vector<std::array<std::uint32_t, 2>> audio_rates;  // in use: samples per second, a fraction
  std::vector<std::uint32_t> symbols;                     // code points in use in text, ascending
  std::vector<ManifestShard> shards;                      // in order of their shard_index
  bool operator==(const Manifest&) const = default;
};

std::string manifest_text(const Manifest& manifest);
// Error(data) naming `path` and the line when `content` is not what manifest_text writes.
Manifest parse_manifest(const std::string& content, const std::string& path);

std::string manifest_path(const std::string& folder);                      // "FOLDER/MANIFEST"
void write_manifest(const std::string& folder, const Manifest& manifest);  // durable; replaces
Manifest read_manifest(const std::string& folder);

// Adds the entry of a finished shard, its records, parts and audio rates: opens it and reads its
// file through. The symbols are the caller's to collect.
void add_shard(Manifest& manifest, const std::string& path);

// Reads the file named by `entry` through; Error(data)
// naming it and both values when size or sum differ.
void check_shard_file(const std::string& folder, const ManifestShard& entry);

}  // namespace ortho
