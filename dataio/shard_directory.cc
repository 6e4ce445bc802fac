#include "dataio/shard_directory.h"

#include <type_traits>

#include "dataio/crc32c.h"

namespace ortho {
namespace {

constexpr const char* kFormat = "orthotope-shard";
constexpr const char* kChecksum = "crc32c";
constexpr const char* kCreatedBy = "orthotope 0.1.0";
constexpr std::uint32_t kVersionMajor = 1;
constexpr std::uint32_t kVersionMinor = 0;

template <class Column>
using ValueOf = typename std::remove_cvref_t<Column>::value_type;

std::uint32_t directory_crc32c(const ShardDirectory& directory) {
  std::uint32_t sum = 0;
  for_each_column(directory, [&](const char*, const auto& column, std::uint64_t) {
    sum = crc32c(column.data(), column.size() * sizeof(ValueOf<decltype(column)>), sum);
  });
  return sum;
}

// Complaints about the head come before any size from the file is used.
void check_head(const Hdf5File& file) {
  const std::string& path = file.name();
  const auto refuse = [&](const auto&... why) { fail(ErrorKind::data, text(path, ' ', why...)); };
  if (!file.has_attribute("format")) refuse("is no shard: it has no attribute `format`");
  const std::string format = file.read_attribute_text("format");
  if (format != kFormat)
    refuse("is no shard: its format is \"", format, "\", not \"", kFormat, '"');
  const auto major = file.read_attribute<std::uint32_t>("version_major");
  if (major != kVersionMajor)
    refuse("has format version ", major, "; this program reads version ", kVersionMajor);
  file.read_attribute<std::uint32_t>("version_minor");  // must be there; any value is read
  if (!file.has_attribute("complete") || file.read_attribute<std::uint8_t>("complete") != 1)
    refuse("is not complete: its writer did not finish");
  const std::string checksum = file.read_attribute_text("checksum");
  if (checksum != kChecksum) refuse("has checksums \"", checksum, "\", not \"", kChecksum, '"');
}

void check_count(const std::string& path, const char* what, std::uint64_t found,
                 std::uint64_t expected) {
  if (found != expected)
    fail(ErrorKind::data, text(path, ": ", found, ' ', what, " where ", expected, " belong"));
}

void read_columns(const Hdf5File& file, const ShardLimits& limits, ShardDirectory& directory) {
  std::uint64_t total = 0;
  for_each_column(directory, [&](const char* path, auto& column, std::uint64_t columns) {
    using Value = ValueOf<decltype(column)>;
    const Hdf5Dataset dataset =
        file.open_dataset(path, NumberOf<Value>::value, columns == 0 ? 1 : 2);
    if (columns != 0) check_count(dataset.name(), "columns", dataset.shape()[1], columns);
    const std::uint64_t rows = dataset.shape()[0], width = columns == 0 ? 1 : columns;
    if (rows > (limits.directory_bytes - total) / (width * sizeof(Value)))
      fail(ErrorKind::data,
           text(dataset.name(), " has ", rows, " rows: the directory passes the limit of ",
                limits.directory_bytes, " bytes"));
    total += rows * width * sizeof(Value);
    column.resize(rows * width);
    dataset.read(0, rows, column.data());
  });
}

}  // namespace

void write_directory(Hdf5File& file, const ShardDirectory& directory) {
  for_each_column(directory, [&](const char* path, const auto& column, std::uint64_t columns) {
    std::vector<std::uint64_t> shape = {column.size()};
    if (columns != 0) shape = {column.size() / columns, columns};
    file.create_dataset(path, NumberOf<ValueOf<decltype(column)>>::value, shape, column.data())
        .close();
  });
  file.write_attribute("format", std::string(kFormat));
  file.write_attribute("version_major", kVersionMajor);
  file.write_attribute("version_minor", kVersionMinor);
  file.write_attribute("dataset_id", std::span<const std::uint8_t>(directory.dataset_id));
  file.write_attribute("shard_index", directory.shard_index);
  file.write_attribute("created_by", std::string(kCreatedBy));
  file.write_attribute("block_bytes", directory.block_bytes);
  file.write_attribute("n_records", directory.records());
  file.write_attribute("n_parts", directory.parts());
  file.write_attribute("payload_bytes", directory.payload_bytes);
  file.write_attribute("checksum", std::string(kChecksum));
  file.write_attribute("directory_crc32c", directory_crc32c(directory));
  file.write_attribute("complete", std::uint8_t{1});
}

ShardDirectory read_directory(const Hdf5File& file, const ShardLimits& limits) {
  check_head(file);
  ShardDirectory directory;
  const auto id = file.read_attribute_list<std::uint8_t>("dataset_id");
  check_count(file.name(), "bytes of dataset_id", id.size(), directory.dataset_id.size());
  std::copy(id.begin(), id.end(), directory.dataset_id.begin());
  directory.shard_index = file.read_attribute<std::uint32_t>("shard_index");
  directory.block_bytes = file.read_attribute<std::uint64_t>("block_bytes");
  directory.payload_bytes = file.read_attribute<std::uint64_t>("payload_bytes");
  read_columns(file, limits, directory);
  const auto expected = file.read_attribute<std::uint32_t>("directory_crc32c");
  const auto found = directory_crc32c(directory);
  if (found != expected)
    fail(ErrorKind::data, text(file.name(), ": the directory has checksum ", crc32c_text(found),
                               ", expected ", crc32c_text(expected), ". The file is damaged"));
  const auto records = file.read_attribute<std::uint64_t>("n_records");
  check_count(file.name(), "rows of /record/split", directory.split.size(), records);
  const auto parts = file.read_attribute<std::uint64_t>("n_parts");
  check_count(file.name(), "rows of /part/modality", directory.modality.size(), parts);
  return directory;
}

std::vector<Unit> shard_units(const ShardDirectory& directory) {
  std::vector<Unit> units;
  for (std::uint64_t block = 0; block < directory.blocks(); ++block) {
    const std::uint64_t first = directory.first_record[block];
    const std::uint64_t records = directory.first_record[block + 1] - first;
    if (records == 0)
      ++units.back().blocks;
    else
      units.push_back({first, records, block, 1, static_cast<Split>(directory.split[first])});
  }
  return units;
}

bool block_bytes_allowed(std::uint64_t block_bytes) {
  const bool power_of_two = block_bytes != 0 && (block_bytes & (block_bytes - 1)) == 0;
  return power_of_two && block_bytes >= (std::uint64_t{1} << 16) &&
         block_bytes <= (std::uint64_t{1} << 26);
}

}  // namespace ortho
