#include <algorithm>

#include "core/error.h"
#include "dataio/crc32c.h"
#include "dataio/hdf5.h"
#include "dataio/shard.h"
#include "dataio/shard_directory.h"

namespace ortho {
namespace {

ShardDirectory checked_directory(const Hdf5File& file, const ShardLimits& limits) {
  ShardDirectory directory = read_directory(file, limits);
  check_directory(directory, file.name());
  return directory;
}

Hdf5Dataset checked_payload(const Hdf5File& file, const ShardDirectory& directory) {
  Hdf5Dataset payload = file.open_dataset("/payload", Number::u8, 1);
  const std::uint64_t block_bytes = directory.block_bytes;
  const std::uint64_t bytes = payload.shape()[0];
  if (bytes % block_bytes != 0 || bytes / block_bytes != directory.blocks())
    fail(ErrorKind::data, text(payload.name(), " has ", bytes, " bytes where ", directory.blocks(),
                               " blocks of ", block_bytes, " belong"));
  if (payload.chunk() != 0 && payload.chunk() != block_bytes)
    fail(ErrorKind::data, text(payload.name(), " is stored in chunks of ", payload.chunk(),
                               " bytes; a chunk must be a block of ", block_bytes));
  return payload;
}

// Columns to rows: a part's fields are used together.
std::vector<PartPlace> part_places(const ShardDirectory& d) {
  std::vector<PartPlace> places(d.parts());
  for (size_t i = 0; i < places.size(); ++i)
    places[i] = {static_cast<PartKind>(d.modality[i]),
                 static_cast<DType>(d.dtype[i]),
                 {d.shape[4 * i], d.shape[4 * i + 1], d.shape[4 * i + 2], d.shape[4 * i + 3]},
                 {d.rate[2 * i], d.rate[2 * i + 1]},
                 d.offset[i],
                 d.nbytes[i]};
  return places;
}

}  // namespace

struct ShardReader::State {
  State(const std::string& path, const ShardLimits& limits)
      : file(Hdf5File::open(path)),
        directory(checked_directory(file, limits)),
        payload(checked_payload(file, directory)),
        places(part_places(directory)),
        units(shard_units(directory)) {}

  Hdf5File file;
  ShardDirectory directory;
  Hdf5Dataset payload;
  std::vector<PartPlace> places;
  std::vector<Unit> units;
};

ShardReader::ShardReader(const std::string& path, const ShardLimits& limits)
    : state_(std::make_unique<State>(path, limits)) {}
ShardReader::~ShardReader() = default;
ShardReader::ShardReader(ShardReader&&) noexcept = default;
ShardReader& ShardReader::operator=(ShardReader&&) noexcept = default;

const std::string& ShardReader::path() const { return state_->file.name(); }
const DatasetId& ShardReader::dataset_id() const { return state_->directory.dataset_id; }
std::uint32_t ShardReader::shard_index() const { return state_->directory.shard_index; }
std::uint64_t ShardReader::block_bytes() const { return state_->directory.block_bytes; }
std::uint64_t ShardReader::payload_bytes() const { return state_->directory.payload_bytes; }
std::uint64_t ShardReader::records() const { return state_->directory.records(); }
std::uint64_t ShardReader::parts() const { return state_->directory.parts(); }
std::uint64_t ShardReader::blocks() const { return state_->directory.blocks(); }
const std::vector<Unit>& ShardReader::units() const { return state_->units; }

RecordPlace ShardReader::record(std::uint64_t i) const {
  const ShardDirectory& d = state_->directory;
  ASSERT(i < d.records(), path(), ": record ", i, " of ", d.records());
  const std::uint64_t first = d.first_part[i], row = d.source[i], name = d.source_offset[row];
  const auto* names = reinterpret_cast<const char*>(d.source_text.data());
  const auto after =
      std::upper_bound(state_->units.begin(), state_->units.end(), i,
                       [](std::uint64_t r, const Unit& unit) { return r < unit.first_record; });
  return {{state_->places.data() + first, d.first_part[i + 1] - first},
          {names + name, d.source_offset[row + 1] - name},
          static_cast<Split>(d.split[i]),
          static_cast<std::uint64_t>(after - state_->units.begin()) - 1};
}

std::uint64_t ShardReader::unit_bytes(std::uint64_t u) const {
  ASSERT(u < state_->units.size(), path(), ": unit ", u, " of ", state_->units.size());
  return state_->units[u].blocks * block_bytes();
}

void ShardReader::read_unit(std::uint64_t u, std::vector<std::uint8_t>& bytes) const {
  bytes.resize(unit_bytes(u));
  read_unit(u, bytes.data());
}

// Block by block, so that a block is summed while it is in the cache.
void ShardReader::read_unit(std::uint64_t u, std::uint8_t* out) const {
  const std::uint64_t first = state_->units.at(u).first_block, size = block_bytes();
  for (std::uint64_t block = first; block < first + state_->units[u].blocks; ++block, out += size) {
    read_blocks_unverified(block, 1, out);
    const std::uint32_t found = crc32c(out, size), expected = state_->directory.block_crc32c[block];
    if (found != expected) [[unlikely]]
      fail(ErrorKind::data,
           text(path(), " block ", block, " has checksum ", crc32c_text(found), ", expected ",
                crc32c_text(expected), ". The file is damaged: copy or pack it again"));
  }
}

void ShardReader::read_blocks_unverified(std::uint64_t first, std::uint64_t count,
                                         std::uint8_t* out) const {
  state_->payload.read(first * block_bytes(), count * block_bytes(), out);
}

Record ShardReader::read_record(std::uint64_t i) const {
  const RecordPlace place = record(i);
  const std::uint64_t start = state_->units[place.unit].first_block * block_bytes();
  std::vector<std::uint8_t> bytes;
  read_unit(place.unit, bytes);
  Record result;
  result.source = place.source;
  result.split = place.split;
  for (const PartPlace& part : place.parts) {
    const std::uint8_t* at = bytes.data() + (part.offset - start);
    result.parts.push_back({part.kind, part.dtype, part.shape, part.rate, {at, at + part.nbytes}});
  }
  return result;
}

void ShardReader::verify() const {
  std::vector<std::uint8_t> bytes;
  for (std::uint64_t u = 0; u < state_->units.size(); ++u) read_unit(u, bytes);
}

}  // namespace ortho
