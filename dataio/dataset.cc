#include "dataio/dataset.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "dataio/manifest.h"

namespace ortho {
namespace {

bool is_folder(const std::string& path) {
  std::error_code code;
  return std::filesystem::is_directory(path, code);
}

// What most often stands behind a path that cannot be read: it was never packed.
void check_packed(const std::string& path) {
  const bool good = is_folder(path) ? file_exists(manifest_path(path)) : file_exists(path);
  REQUIRE(good, path,
          is_folder(path) ? " holds no MANIFEST, so it is no finished data set" : " does not exist",
          ". Pack it: orthotope pack INPUT --out ", path);
}

ShardReader open_listed(const std::string& folder, const Manifest& manifest, std::size_t index) {
  const ManifestShard& entry = manifest.shards[index];
  ShardReader shard(folder + "/" + entry.name);
  if (shard.dataset_id() != manifest.dataset_id || shard.shard_index() != index)
    fail(ErrorKind::data,
         text(shard.path(), " is shard ", shard.shard_index(), " of another data set than ",
              manifest_path(folder), " says. Pack again."));
  if (shard.records() != entry.records || shard.blocks() != entry.blocks)
    fail(ErrorKind::data, text(shard.path(), " has ", shard.records(), " records in ",
                               shard.blocks(), " blocks, but ", manifest_path(folder), " says ",
                               entry.records, " in ", entry.blocks));
  return shard;
}

void collect_symbols(const ShardReader& shard, std::set<std::uint32_t>& symbols) {
  std::vector<std::uint8_t> bytes;
  for (std::uint64_t u = 0; u < shard.units().size(); ++u) {
    const Unit& unit = shard.units()[u];
    shard.read_unit(u, bytes);
    for (std::uint64_t i = unit.first_record; i < unit.first_record + unit.records; ++i)
      for (const PartPlace& part : shard.record(i).parts) {
        if (part.kind != PartKind::text) continue;
        const std::uint64_t offset = part.offset - unit.first_block * shard.block_bytes();
        const auto points = code_points(bytes.data() + offset, part.dtype, part.shape[0]);
        symbols.insert(points.begin(), points.end());
      }
  }
}

}  // namespace

std::vector<std::uint32_t> symbols_in_use(const std::vector<std::string>& paths) {
  std::set<std::uint32_t> symbols;
  for (const std::string& path : paths) {
    check_packed(path);
    if (is_folder(path)) {
      const Manifest manifest = read_manifest(path);
      symbols.insert(manifest.symbols.begin(), manifest.symbols.end());
    } else {
      collect_symbols(ShardReader(path), symbols);
    }
  }
  return {symbols.begin(), symbols.end()};
}

Dataset::Dataset(const std::vector<std::string>& paths, Split split, std::uint64_t cache_bytes)
    : first_record_{0}, cache_bytes_(cache_bytes) {
  REQUIRE(!paths.empty(), "no data: name a folder that `orthotope pack` wrote, or a shard");
  for (const std::string& path : paths) {
    check_packed(path);
    if (is_folder(path)) {
      const Manifest manifest = read_manifest(path);
      for (std::size_t i = 0; i < manifest.shards.size(); ++i)
        add_shard(open_listed(path, manifest, i), split);
    } else {
      add_shard(ShardReader(path), split);
    }
  }
}

void Dataset::add_shard(ShardReader shard, Split split) {
  for (std::uint64_t u = 0; u < shard.units().size(); ++u) {
    const Unit& unit = shard.units()[u];
    if (unit.split != split) continue;
    units_.push_back({shards_.size(), u});
    first_record_.push_back(first_record_.back() + static_cast<std::int64_t>(unit.records));
  }
  shards_.push_back(std::move(shard));
}

const Unit& Dataset::unit(std::int64_t u) const {
  const UnitPlace& at = units_.at(static_cast<std::size_t>(u));
  return shards_[at.shard].units()[at.unit];
}

std::int64_t Dataset::blocks_of(std::int64_t u) const {
  return static_cast<std::int64_t>(unit(u).blocks);
}

Range Dataset::records_of(std::int64_t u) const {
  const auto at = static_cast<std::size_t>(u);
  return {first_record_.at(at), first_record_.at(at + 1)};
}

Dataset::Place Dataset::place(std::int64_t record) const {
  ASSERT(record >= 0 && record < records(), "record ", record, " of ", records());
  const auto after = std::upper_bound(first_record_.begin(), first_record_.end(), record);
  const std::int64_t u = after - first_record_.begin() - 1;
  const auto within = static_cast<std::uint64_t>(record - *(after - 1));
  return {u, unit(u).first_record + within};
}

RecordPlace Dataset::record_place(const Place& place) const {
  return shards_[units_[static_cast<std::size_t>(place.unit)].shard].record(place.in_shard);
}

PartView Dataset::part_view(const Place& place, const PartPlace& part, const Bytes& bytes) const {
  const ShardReader& shard = shards_[units_[static_cast<std::size_t>(place.unit)].shard];
  const std::uint64_t start = unit(place.unit).first_block * shard.block_bytes();
  return {part.kind, part.dtype, part.shape, part.rate, bytes.data() + (part.offset - start)};
}

std::shared_ptr<const Dataset::Bytes> Dataset::unit_bytes(std::int64_t u) const {
  const std::lock_guard lock(mutex_);
  if (const auto found = cached_.find(u); found != cached_.end()) {
    cache_.splice(cache_.begin(), cache_, found->second);
    return cache_.front().bytes;
  }
  const UnitPlace& at = units_.at(static_cast<std::size_t>(u));
  auto bytes = std::make_shared<Bytes>();
  shards_[at.shard].read_unit(at.unit, *bytes);
  cached_bytes_ += bytes->size();
  cache_.push_front({u, std::move(bytes)});
  cached_[u] = cache_.begin();
  while (cached_bytes_ > cache_bytes_ && cache_.size() > 1) {
    cached_bytes_ -= cache_.back().bytes->size();
    cached_.erase(cache_.back().unit);
    cache_.pop_back();
  }
  return cache_.front().bytes;
}

std::vector<ItemSize> Dataset::items(std::int64_t record) const {
  std::vector<ItemSize> items;
  for (const PartPlace& part : record_place(place(record)).parts)
    items.push_back({modality_of(part.kind), count_tokens(part.kind, part.shape)});
  return items;
}

std::span<const PartPlace> Dataset::parts(std::int64_t record) const {
  return record_place(place(record)).parts;
}

std::string Dataset::source(std::int64_t record) const {
  return std::string(record_place(place(record)).source);
}

std::string Dataset::name(std::int64_t record) const {
  const Place at = place(record);
  const std::size_t shard = units_[static_cast<std::size_t>(at.unit)].shard;
  return text(shards_[shard].path(), " record ", at.in_shard, " (", source(record), ')');
}

void Dataset::read(std::int64_t record, std::size_t item, Range which, std::int32_t as_item,
                   const TokenRule& rule, std::vector<Token>& out) const {
  const Place at = place(record);
  const RecordPlace found = record_place(at);
  const auto bytes = unit_bytes(at.unit);
  tokenise(part_view(at, found.parts[item], *bytes), which, as_item, rule,
           std::string(found.source), out);
}

void Dataset::read(std::int64_t record, Range which, const TokenRule& rule,
                   std::vector<Token>& out) const {
  const Place at = place(record);
  const RecordPlace found = record_place(at);
  const auto bytes = unit_bytes(at.unit);
  std::int64_t start = 0;  // of the part, in tokens of the record
  std::int32_t item = 0;
  for (const PartPlace& part : found.parts) {
    const std::int64_t size = count_tokens(part.kind, part.shape);
    const Range inside{std::clamp<std::int64_t>(which.lo - start, 0, size),
                       std::clamp<std::int64_t>(which.hi - start, 0, size)};
    if (inside.size() > 0)
      tokenise(part_view(at, part, *bytes), inside, item, rule, std::string(found.source), out);
    start += size;
    ++item;
  }
}

Record Dataset::record(std::int64_t index) const {
  const Place at = place(index);
  const RecordPlace found = record_place(at);
  const auto bytes = unit_bytes(at.unit);
  Record record;
  record.source = std::string(found.source);
  record.split = found.split;
  for (const PartPlace& part : found.parts) {
    const std::uint8_t* from = part_view(at, part, *bytes).bytes;
    record.parts.push_back(
        {part.kind, part.dtype, part.shape, part.rate, {from, from + part.nbytes}});
  }
  return record;
}

}  // namespace ortho
