#include "dataio/shard_set.h"

#include <filesystem>
#include <iomanip>

#include "core/error.h"
#include "core/file.h"

namespace ortho {
namespace {

void remove_file(const std::string& path) {
  std::error_code code;
  std::filesystem::remove(path, code);
  if (code) fail(ErrorKind::disk, text("cannot remove ", path, ": ", code.message()));
}

// The MANIFEST first: from then on the rest is no data set.
// Shards it names follow when it can be read.
void remove_data_set(const std::string& folder) {
  std::vector<ManifestShard> shards;
  try {
    shards = read_manifest(folder).shards;
  } catch (const Error&) {
    // A damaged MANIFEST names nothing that we may trust; its shards stay as files nobody lists.
  }
  remove_file(manifest_path(folder));
  for (const ManifestShard& shard : shards) remove_file(folder + "/" + shard.name);
}

}  // namespace

ShardSet::ShardSet(const std::string& folder, const DatasetId& dataset_id,
                   std::uint64_t shard_bytes, const ShardOptions& options, bool replace)
    : folder_(folder), shard_bytes_(shard_bytes), options_(options), symbols_(kLastCodePoint + 1) {
  make_folder(folder);
  if (file_exists(manifest_path(folder))) {
    REQUIRE(replace, folder,
            " already holds a data set. Name another folder, or allow to replace it.");
    remove_data_set(folder);
  }
  manifest_.dataset_id = dataset_id;
}

ShardSet::~ShardSet() {
  if (finished_) return;
  writer_.reset();  // removes what it has written
  for (const std::string& path : written_) {
    std::error_code ignored;  // an error is on its way already
    std::filesystem::remove(path, ignored);
  }
}

void ShardSet::open_shard() {
  const auto index = static_cast<std::uint32_t>(written_.size());
  std::ostringstream name;
  name << folder_ << "/shard-" << std::setw(4) << std::setfill('0') << index << ".h5";
  writer_ = std::make_unique<ShardWriter>(name.str(), manifest_.dataset_id, index, options_);
  written_.push_back(name.str());
}

void ShardSet::close_shard() {
  writer_->finish();
  writer_.reset();
  add_shard(manifest_, written_.back());
}

void ShardSet::add(const Record& record) {
  std::uint64_t bytes = 0;
  for (const Part& part : record.parts) {
    bytes += part.bytes.size();
    if (part.kind != PartKind::text) continue;
    for (const std::uint32_t symbol : code_points(part.bytes.data(), part.dtype, part.shape[0]))
      symbols_.at(symbol) = true;
  }
  if (writer_ && writer_->records() > 0 && writer_->bytes() + bytes > shard_bytes_) close_shard();
  if (!writer_) open_shard();
  writer_->add(record);
  ++records_;
}

const Manifest& ShardSet::finish() {
  ASSERT(records_ > 0, "a data set without records");
  if (writer_) close_shard();
  for (std::uint32_t symbol = 0; symbol <= kLastCodePoint; ++symbol)
    if (symbols_[symbol]) manifest_.symbols.push_back(symbol);
  write_manifest(folder_, manifest_);
  finished_ = true;
  return manifest_;
}

}  // namespace ortho
