#include <algorithm>
#include <cstring>
#include <optional>
#include <unordered_map>

#include "core/error.h"
#include "dataio/crc32c.h"
#include "dataio/hdf5_draft.h"
#include "dataio/media/utf8.h"
#include "dataio/shard.h"
#include "dataio/shard_directory.h"

namespace ortho {
namespace {

constexpr std::uint64_t align8(std::uint64_t bytes) { return (bytes + 7) / 8 * 8; }

// Bytes of a record from its first part to the end of its last, each part at a multiple of 8.
std::uint64_t extent_of(const Record& record) {
  std::uint64_t end = 0;
  for (const Part& part : record.parts) end = align8(end) + part.bytes.size();
  return end;
}

void check_record(const Record& record) {
  REQUIRE(!record.parts.empty(), "a record of ", record.source, " has no parts");
  REQUIRE(static_cast<int>(record.split) < kSplits, "a record of ", record.source, " has no split");
  REQUIRE(is_utf8(record.source), "the name ", record.source, " is not valid UTF-8");
  for (const Part& part : record.parts) {
    const std::string fault = part_fault(part.kind, part.dtype, part.shape, part.rate);
    REQUIRE(fault.empty(), "a record of ", record.source, " has a wrong part: ", fault);
    REQUIRE(part_bytes(part.shape, part.dtype) == part.bytes.size(), "a record of ", record.source,
            " has a ", part_kind_name(part.kind), " part of shape ", list_text(part.shape),
            " with ", part.bytes.size(), " bytes where ", part_bytes(part.shape, part.dtype),
            " belong");
  }
}

// A run of blocks being filled: one, or those of a record
// larger than that. Offsets are within the run.
struct OpenBlock {
  struct Row {
    PartPlace place;
    bool starts_record;
    std::uint32_t source;
  };
  std::vector<std::uint8_t> bytes;
  std::vector<Row> rows;
};

}  // namespace

struct ShardWriter::State {
  State(const std::string& path, const ShardOptions& options)
      : block_bytes(options.block_bytes),
        draft(path),
        payload(draft.file().create_blocks("/payload", options.block_bytes, options.deflate)) {}

  std::uint32_t source_row(const std::string& name);
  void append(OpenBlock& block, const Record& record);
  void store(OpenBlock& block, Split split);
  void add_row(const OpenBlock::Row& row, Split split, std::uint64_t start);

  const std::uint64_t block_bytes;
  Hdf5Draft draft;
  std::optional<Hdf5Dataset> payload;  // closed before the draft is published
  ShardDirectory directory;
  std::array<OpenBlock, kSplits> open;
  std::unordered_map<std::string, std::uint32_t> sources;
  std::uint64_t records = 0;
  bool finished = false;
};

std::uint32_t ShardWriter::State::source_row(const std::string& name) {
  const auto [found, added] = sources.try_emplace(name, static_cast<std::uint32_t>(sources.size()));
  if (added) {
    directory.source_text.insert(directory.source_text.end(), name.begin(), name.end());
    directory.source_offset.push_back(directory.source_text.size());
  }
  return found->second;
}

void ShardWriter::State::append(OpenBlock& block, const Record& record) {
  const std::uint32_t source = source_row(record.source);
  for (const Part& part : record.parts) {
    const std::uint64_t offset = align8(block.bytes.size());
    block.bytes.resize(offset);
    block.bytes.insert(block.bytes.end(), part.bytes.begin(), part.bytes.end());
    block.rows.push_back({{part.kind, part.dtype, part.shape, part.rate, offset, part.bytes.size()},
                          &part == &record.parts.front(),
                          source});
    directory.payload_bytes += part.bytes.size();
  }
}

void ShardWriter::State::add_row(const OpenBlock::Row& row, Split split, std::uint64_t start) {
  ShardDirectory& d = directory;
  if (row.starts_record) {
    d.source.push_back(row.source);
    d.split.push_back(static_cast<std::uint8_t>(split));
    d.first_part.push_back(d.first_part.back());
  }
  ++d.first_part.back();
  d.modality.push_back(static_cast<std::uint8_t>(row.place.kind));
  d.dtype.push_back(static_cast<std::uint8_t>(row.place.dtype));
  d.shape.insert(d.shape.end(), row.place.shape.begin(), row.place.shape.end());
  d.rate.insert(d.rate.end(), row.place.rate.begin(), row.place.rate.end());
  d.offset.push_back(start + row.place.offset);
  d.nbytes.push_back(row.place.nbytes);
}

// Fills the tail with zeros, writes the block (or the run),
// enters it in the directory, and empties it.
void ShardWriter::State::store(OpenBlock& block, Split split) {
  if (block.rows.empty()) return;
  const std::uint64_t blocks = (block.bytes.size() + block_bytes - 1) / block_bytes;
  const std::uint64_t start = directory.blocks() * block_bytes;
  block.bytes.resize(blocks * block_bytes);
  payload->grow(start + block.bytes.size());
  payload->write(start, block.bytes.size(), block.bytes.data());
  for (const OpenBlock::Row& row : block.rows) add_row(row, split, start);
  for (std::uint64_t i = 0; i < blocks; ++i) {
    directory.block_crc32c.push_back(crc32c(block.bytes.data() + i * block_bytes, block_bytes));
    directory.first_record.push_back(directory.records());
  }
  block.bytes.clear();
  block.rows.clear();
}

ShardWriter::ShardWriter(const std::string& path, const DatasetId& dataset_id,
                         std::uint32_t shard_index, const ShardOptions& options) {
  REQUIRE(block_bytes_allowed(options.block_bytes), "blocks of ", options.block_bytes,
          " bytes; a power of two from 65536 to 67108864 belongs");
  REQUIRE(options.deflate >= 0 && options.deflate <= 9, "deflate level ", options.deflate,
          "; 0 to 9 exist");
  state_ = std::make_unique<State>(path, options);
  ShardDirectory& d = state_->directory;
  d.dataset_id = dataset_id;
  d.shard_index = shard_index;
  d.block_bytes = options.block_bytes;
  d.first_record = d.first_part = d.source_offset = {0};
}

ShardWriter::~ShardWriter() = default;

void ShardWriter::add(const Record& record) {
  ASSERT(!state_->finished, "a shard was finished before");
  check_record(record);
  const std::uint64_t bytes = extent_of(record);
  REQUIRE(bytes <= kUnitBytesLimit, "a record of ", record.source, " has ", bytes,
          " bytes; the limit is ", kUnitBytesLimit, ". Cut it into smaller pieces");
  OpenBlock& block = state_->open[static_cast<size_t>(record.split)];
  if (align8(block.bytes.size()) + bytes > state_->block_bytes) state_->store(block, record.split);
  state_->append(block, record);
  if (bytes > state_->block_bytes) state_->store(block, record.split);
  ++state_->records;
}

std::uint64_t ShardWriter::records() const { return state_->records; }
std::uint64_t ShardWriter::bytes() const { return state_->directory.payload_bytes; }

void ShardWriter::finish() {
  State& state = *state_;
  ASSERT(!state.finished, "a shard was finished before");
  state.finished = true;
  for (size_t split = 0; split < kSplits; ++split)
    state.store(state.open[split], static_cast<Split>(split));
  state.payload->close();
  state.payload.reset();
  write_directory(state.draft.file(), state.directory);
  state.draft.publish([](const std::string& temporary) { ShardReader(temporary).verify(); });
}

}  // namespace ortho
