// ShardSet: writes the shards of one data set, each up to a size, and its MANIFEST last.
//
// Destroyed before finish(), it removes the shards it wrote: half a data set is none.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dataio/manifest.h"
#include "dataio/media/utf8.h"
#include "dataio/shard.h"

namespace ortho {

class ShardSet {
 public:
  // Error(usage) when the folder holds a data set and `replace`
  // is false. A replaced one is gone from here on.
  ShardSet(const std::string& folder, const DatasetId& dataset_id, std::uint64_t shard_bytes,
           const ShardOptions& options, bool replace);
  ~ShardSet();
  ShardSet(const ShardSet&) = delete;
  ShardSet& operator=(const ShardSet&) = delete;

  void add(const Record& record);  // and counts the code points of its texts
  std::uint64_t records() const { return records_; }
  const Manifest& finish();

 private:
  void open_shard();
  void close_shard();

  const std::string folder_;
  const std::uint64_t shard_bytes_;
  const ShardOptions options_;
  Manifest manifest_;
  std::vector<bool> symbols_;  // by code point: in use
  std::vector<std::string> written_;
  std::unique_ptr<ShardWriter> writer_;
  std::uint64_t records_ = 0;
  bool finished_ = false;
};

}  // namespace ortho
