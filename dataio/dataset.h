// Dataset: the records of one split of one or several shards, as tokens of one vocabulary's rows.
//
// Units that were read stay in a cache of bounded size; a unit is verified each time it is read.
// Reading is guarded, so the loader's thread and an evaluation may share a Dataset.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "dataio/modality.h"
#include "dataio/shard.h"
#include "dataio/window.h"

namespace ortho {

// Code points in use in all texts behind `paths`, ascending: from the manifests; a shard given
// alone is read.
std::vector<std::uint32_t> symbols_in_use(const std::vector<std::string>& paths);

// Of the units a Dataset keeps in memory, unless it is told otherwise.
constexpr std::uint64_t kUnitCacheBytes = std::uint64_t{1} << 29;

class Dataset {
 public:
  // Each path is a folder with a MANIFEST, or one shard.
  // At least one unit is cached, whatever its size.
  Dataset(const std::vector<std::string>& paths, Split split,
          std::uint64_t cache_bytes = kUnitCacheBytes);

  std::int64_t units() const { return static_cast<std::int64_t>(units_.size()); }
  std::int64_t records() const { return first_record_.back(); }  // of the split, numbered from 0
  std::int64_t blocks_of(std::int64_t unit) const;
  Range records_of(std::int64_t unit) const;

  std::vector<ItemSize> items(std::int64_t record) const;       // its parts, as items
  std::span<const PartPlace> parts(std::int64_t record) const;  // kinds, shapes and rates
  std::string source(std::int64_t record) const;
  std::string name(std::int64_t record) const;  // "text/shard-0000.h5 record 41 (war.txt)"

  // Appends tokens `which` of the record's part `item`, numbered `as_item`.
  void read(std::int64_t record, std::size_t item, Range which, std::int32_t as_item,
            const TokenRule& rule, std::vector<Token>& out) const;
  // Tokens `which` of all parts in order, as items 0, 1, ….
  void read(std::int64_t record, Range which, const TokenRule& rule, std::vector<Token>& out) const;

  Record record(std::int64_t record) const;  // raw values, e.g. to show or to score against

 private:
  using Bytes = std::vector<std::uint8_t>;
  struct UnitPlace {
    std::size_t shard;
    std::uint64_t unit;  // within the shard
  };
  struct Place {
    std::int64_t unit;       // of ours
    std::uint64_t in_shard;  // record within the shard
  };
  struct Cached {
    std::int64_t unit;
    std::shared_ptr<const Bytes> bytes;  // shared by the cache and whoever is decoding from it
  };

  Place place(std::int64_t record) const;
  void add_shard(ShardReader shard, Split split);
  const Unit& unit(std::int64_t u) const;
  RecordPlace record_place(const Place& place) const;
  PartView part_view(const Place& place, const PartPlace& part, const Bytes& bytes) const;
  std::shared_ptr<const Bytes> unit_bytes(std::int64_t unit) const;

  std::vector<ShardReader> shards_;
  std::vector<UnitPlace> units_;
  std::vector<std::int64_t> first_record_;  // of each unit, then all
  std::uint64_t cache_bytes_;

  mutable std::mutex mutex_;         // guards reading the shards, and the cache below
  mutable std::list<Cached> cache_;  // most recently used first
  mutable std::unordered_map<std::int64_t, std::list<Cached>::iterator> cached_;  // by unit
  mutable std::uint64_t cached_bytes_ = 0;
};

}  // namespace ortho
