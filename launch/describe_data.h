// Describe data: a manifest, a shard and a record in words, as `pack` and `inspect` print them.
#pragma once

#include <cstdint>
#include <string>

#include "dataio/manifest.h"
#include "dataio/shard.h"

namespace ortho {

std::string bytes_text(std::uint64_t bytes);  // "512 bytes", "3.4 MB"

// Two lines: "60000 records: 54000 train, 6000 valid", then parts, symbols, shards and their bytes.
std::string describe_manifest(const Manifest& manifest);

// One line: split, source and parts, of a text its first characters.
std::string describe_record(const Record& record);

std::string describe_shard(const ShardReader& shard);

// The first `count` records, a line each.
std::string first_records(const ShardReader& shard, std::int64_t count);

}  // namespace ortho
