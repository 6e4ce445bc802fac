#include "launch/describe_data.h"

#include <algorithm>
#include <array>
#include <iomanip>

#include "core/error.h"
#include "core/json.h"
#include "dataio/media/utf8.h"

namespace ortho {
namespace {

constexpr std::size_t kShownSymbols = 60;  // of a text

// "54000 train, 6000 valid": what is not there is not named.
template <std::size_t n, class Name>
std::string counts_text(const std::array<std::uint64_t, n>& counts, Name name) {
  std::string out;
  for (std::size_t i = 0; i < n; ++i)
    if (counts[i] > 0) out += text(out.empty() ? "" : ", ", counts[i], ' ', name(i));
  return out.empty() ? "none" : out;
}

std::string splits_text(const std::array<std::uint64_t, kSplits>& records) {
  return counts_text(records, [](std::size_t i) { return split_name(static_cast<Split>(i)); });
}

std::string kinds_text(const std::array<std::uint64_t, kPartKinds>& parts) {
  return counts_text(parts, [](std::size_t i) { return part_kind_name(static_cast<PartKind>(i)); });
}

std::string snippet(const Part& part) {
  const auto points = code_points(part.bytes.data(), part.dtype, part.shape[0]);
  const std::size_t shown = std::min(points.size(), kShownSymbols);
  const std::u32string start(points.begin(), points.begin() + static_cast<std::ptrdiff_t>(shown));
  return text(json_string(encode_utf8(start)), shown < points.size() ? "…" : "");
}

std::string part_text(const Part& part) {
  const auto& shape = part.shape;
  const double rate = static_cast<double>(part.rate[0]) / part.rate[1];
  switch (part.kind) {
    case PartKind::text:
      return text("text of ", shape[0], ' ', snippet(part));
    case PartKind::image:
      return text("image ", shape[1], 'x', shape[2]);
    case PartKind::audio:
      return text("audio of ", shape[0], " samples at ", rate, " Hz, ", shape[3],
                  shape[3] == 1 ? " channel" : " channels");
    case PartKind::video:
      return text("video of ", shape[0], " frames ", shape[1], 'x', shape[2], " at ", rate, " Hz");
    case PartKind::label:
      break;
  }
  return text("label of ", shape[0]);
}

}  // namespace

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array kUnits = {"kB", "MB", "GB", "TB"};
  if (bytes < 1000) return text(bytes, " bytes");
  double value = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  while (value >= 999.95 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  std::ostringstream out;
  out << std::fixed << std::setprecision(1) << value << ' ' << kUnits[unit];
  return out.str();
}

std::string describe_manifest(const Manifest& manifest) {
  std::uint64_t records = 0, bytes = 0;
  for (const std::uint64_t count : manifest.records) records += count;
  for (const ManifestShard& shard : manifest.shards) bytes += shard.bytes;
  std::string out = text("  ", records, " records: ", splits_text(manifest.records), '\n');
  out += text("  parts: ", kinds_text(manifest.parts), "; ", manifest.symbols.size(),
              " symbols in texts; ", bytes_text(bytes), " in ", manifest.shards.size(),
              manifest.shards.size() == 1 ? " shard\n" : " shards\n");
  return out;
}

std::string describe_record(const Record& record) {
  std::string out = text(split_name(record.split), ' ', json_string(record.source), ": ");
  const char* comma = "";
  for (const Part& part : record.parts) {
    out += comma + part_text(part);
    comma = ", ";
  }
  return out;
}

std::string describe_shard(const ShardReader& shard) {
  std::array<std::uint64_t, kSplits> records{};
  std::array<std::uint64_t, kPartKinds> parts{};
  for (std::uint64_t i = 0; i < shard.records(); ++i) {
    const RecordPlace place = shard.record(i);
    ++records[static_cast<std::size_t>(place.split)];
    for (const PartPlace& part : place.parts) ++parts[static_cast<std::size_t>(part.kind)];
  }
  std::string id;
  for (const std::uint8_t byte : shard.dataset_id()) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    id += kDigits[byte >> 4];
    id += kDigits[byte & 15];
  }
  return text("  format version 1, shard ", shard.shard_index(), " of data set ", id, "\n  ",
              shard.records(), " records: ", splits_text(records), "\n  parts: ", kinds_text(parts),
              "; payload ", bytes_text(shard.payload_bytes()), " in ", shard.blocks(),
              " blocks of ", shard.block_bytes(), " bytes\n");
}

std::string first_records(const ShardReader& shard, std::int64_t count) {
  const auto shown = std::min(shard.records(), static_cast<std::uint64_t>(count));
  std::string out;
  for (std::uint64_t i = 0; i < shown; ++i)
    out += text("  record ", i, ": ", describe_record(shard.read_record(i)), '\n');
  return out;
}

}  // namespace ortho
