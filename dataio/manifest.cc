#include "dataio/manifest.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <set>
#include <string_view>

#include "core/error.h"
#include "core/file.h"
#include "dataio/crc32c.h"

namespace ortho {
namespace {

constexpr std::string_view kHead =
    "# Written last: a file that is not named here is not part of the data set.\n"
    "format: orthotope-manifest\n"
    "version: 1\n";

struct FileSum {
  std::uint64_t bytes = 0;
  std::uint32_t crc32c = 0;
};

FileSum sum_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file.is_open(), "cannot open ", path, ": ", system_error());
  std::vector<char> buffer(std::size_t{1} << 20);
  FileSum sum;
  while (file) {
    file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    const auto count = static_cast<std::size_t>(file.gcount());
    sum.crc32c = crc32c(buffer.data(), count, sum.crc32c);
    sum.bytes += count;
  }
  if (file.bad()) fail(ErrorKind::data, text("cannot read ", path, " at byte ", sum.bytes));
  return sum;
}

// Letters, digits, '.', '_', '-', no leading '.':
// such a name leads into no other folder and needs no escape.
bool is_plain_name(std::string_view name) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return !name.empty() && name.front() != '.' &&
         name.find_first_not_of(kAllowed) == std::string_view::npos;
}

// Reads what manifest_text writes, literal by literal, value by value.
class Scanner {
 public:
  Scanner(std::string_view content, const std::string& path) : content_(content), path_(path) {}

  [[noreturn]] void refuse(const std::string& why) const {
    const auto before = content_.substr(0, at_);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    fail(ErrorKind::data, text(path_, " line ", line, ": ", why));
  }

  bool accept(std::string_view literal) {
    if (content_.substr(at_, literal.size()) != literal) return false;
    at_ += literal.size();
    return true;
  }

  void expect(std::string_view literal) {
    if (accept(literal)) return;
    const auto found = content_.substr(at_, content_.substr(at_).find('\n'));
    refuse(text('"', literal, "\" expected, found \"", found.substr(0, 60), '"'));
  }

  template <class T>
  T number(int base = 10) {
    T value{};
    const char* begin = content_.data() + at_;
    const auto [end, code] = std::from_chars(begin, content_.data() + content_.size(), value, base);
    if (code != std::errc{}) refuse("a number that fits is expected");
    at_ += static_cast<std::size_t>(end - begin);
    return value;
  }

  std::string quoted() {
    expect("\"");
    const std::size_t end = content_.find_first_of("\"\n", at_);
    if (end == std::string_view::npos || content_[end] != '"') refuse("a closing quote is missing");
    const std::string value(content_.substr(at_, end - at_));
    at_ = end + 1;
    return value;
  }

  std::uint32_t checksum() {
    const std::string digits = quoted();
    std::uint32_t value = 0;
    const auto [end, code] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (code != std::errc{} || crc32c_text(value) != digits)
      refuse("eight hexadecimal digits are expected");
    return value;
  }

  // "[a, b]": calls `one` for each.
  template <class One>
  void list(One one) {
    expect("[");
    if (accept("]")) return;
    do one();
    while (accept(", "));
    expect("]");
  }

  // "{a: 1, b: 2}" with these names, in this order.
  template <std::size_t n>
  void counts(std::array<std::uint64_t, n>& values, const char* (*name)(std::size_t)) {
    for (std::size_t i = 0; i < n; ++i) {
      expect(text(i == 0 ? "{" : ", ", name(i), ": "));
      values[i] = number<std::uint64_t>();
    }
    expect("}\n");
  }

  std::size_t place() const { return at_; }
  bool at_end() const { return at_ == content_.size(); }

 private:
  std::string_view content_;
  const std::string& path_;
  std::size_t at_ = 0;
};

const char* split_by_number(std::size_t i) { return split_name(static_cast<Split>(i)); }
const char* part_kind_by_number(std::size_t i) { return part_kind_name(static_cast<PartKind>(i)); }

template <std::size_t n>
std::string counts_text(const std::array<std::uint64_t, n>& values,
                        const char* (*name)(std::size_t)) {
  std::string line;
  for (std::size_t i = 0; i < n; ++i) line += text(i == 0 ? "{" : ", ", name(i), ": ", values[i]);
  return line + "}\n";
}

std::string hex(const DatasetId& id) {
  std::string digits;
  for (const std::uint8_t byte : id) digits += crc32c_text(byte).substr(6);
  return digits;
}

DatasetId read_id(Scanner& in) {
  const std::string digits = in.quoted();
  DatasetId id{};
  if (digits.size() != 2 * id.size()) in.refuse("dataset_id needs 32 hexadecimal digits");
  for (std::size_t i = 0; i < id.size(); ++i)
    std::from_chars(&digits[2 * i], &digits[2 * i] + 2, id[i], 16);
  if (hex(id) != digits) in.refuse("dataset_id needs 32 hexadecimal digits");
  return id;
}

void read_symbols(Scanner& in, std::vector<std::uint32_t>& symbols) {
  in.list([&] {
    const auto symbol = in.number<std::uint32_t>();
    const bool scalar = symbol <= 0x10ffff && (symbol < 0xd800 || symbol > 0xdfff);
    if (!scalar || (!symbols.empty() && symbol <= symbols.back()))
      in.refuse(text("symbol ", symbol, " is no code point, or not above the one before"));
    symbols.push_back(symbol);
  });
}

void read_shards(Scanner& in, std::vector<ManifestShard>& shards) {
  std::set<std::string> names;
  while (in.accept("  - {name: ")) {
    ManifestShard shard;
    shard.name = in.quoted();
    if (!is_plain_name(shard.name))
      in.refuse(text('"', shard.name, "\" names no file of this folder"));
    if (!names.insert(shard.name).second) in.refuse(text(shard.name, " is named twice"));
    in.expect(", records: ");
    shard.records = in.number<std::uint64_t>();
    in.expect(", blocks: ");
    shard.blocks = in.number<std::uint64_t>();
    in.expect(", bytes: ");
    shard.bytes = in.number<std::uint64_t>();
    in.expect(", crc32c: ");
    shard.crc32c = in.checksum();
    in.expect("}\n");
    shards.push_back(std::move(shard));
  }
}

}  // namespace

std::string manifest_text(const Manifest& manifest) {
  std::ostringstream out;
  out << kHead << "dataset_id: \"" << hex(manifest.dataset_id) << "\"\n"
      << "records: " << counts_text(manifest.records, split_by_number)
      << "parts: " << counts_text(manifest.parts, part_kind_by_number) << "audio_rates: [";
  const char* comma = "";
  for (const auto& rate : manifest.audio_rates) {
    out << comma << list_text(rate);
    comma = ", ";
  }
  out << "]\nsymbols: " << list_text(manifest.symbols) << "\nshards:\n";
  for (const ManifestShard& shard : manifest.shards) {
    ASSERT(is_plain_name(shard.name), "\"", shard.name, "\" cannot stand in a manifest");
    out << "  - {name: \"" << shard.name << "\", records: " << shard.records
        << ", blocks: " << shard.blocks << ", bytes: " << shard.bytes << ", crc32c: \""
        << crc32c_text(shard.crc32c) << "\"}\n";
  }
  const std::string lines = out.str();
  return text(lines, "crc32c: \"", crc32c_text(crc32c(lines.data(), lines.size())), "\"\n");
}

Manifest parse_manifest(const std::string& content, const std::string& path) {
  Scanner in(content, path);
  Manifest manifest;
  in.expect(kHead);
  in.expect("dataset_id: ");
  manifest.dataset_id = read_id(in);
  in.expect("\nrecords: ");
  in.counts(manifest.records, split_by_number);
  in.expect("parts: ");
  in.counts(manifest.parts, part_kind_by_number);
  in.expect("audio_rates: ");
  in.list([&] {
    auto& rate = manifest.audio_rates.emplace_back();
    in.expect("[");
    rate[0] = in.number<std::uint32_t>();
    in.expect(", ");
    rate[1] = in.number<std::uint32_t>();
    in.expect("]");
  });
  in.expect("\nsymbols: ");
  read_symbols(in, manifest.symbols);
  in.expect("\nshards:\n");
  read_shards(in, manifest.shards);
  const std::uint32_t found = crc32c(content.data(), in.place());
  in.expect("crc32c: ");
  const std::uint32_t expected = in.checksum();
  if (found != expected)
    in.refuse(text("the lines above have checksum ", crc32c_text(found), ", expected ",
                   crc32c_text(expected)));
  in.expect("\n");
  if (!in.at_end()) in.refuse("something follows the last line");
  return manifest;
}

std::string manifest_path(const std::string& folder) { return folder + "/MANIFEST"; }

void write_manifest(const std::string& folder, const Manifest& manifest) {
  write_file_durably(manifest_path(folder), manifest_text(manifest));
}

Manifest read_manifest(const std::string& folder) {
  const std::string path = manifest_path(folder);
  return parse_manifest(read_file(path), path);
}

void add_shard(Manifest& manifest, const std::string& path) {
  const ShardReader reader(path);
  const FileSum sum = sum_of_file(path);
  manifest.shards.push_back(
      {path.substr(path.rfind('/') + 1), reader.records(), reader.blocks(), sum.bytes, sum.crc32c});
  for (std::uint64_t i = 0; i < reader.records(); ++i) {
    const RecordPlace record = reader.record(i);
    ++manifest.records[static_cast<std::size_t>(record.split)];
    for (const PartPlace& part : record.parts) {
      ++manifest.parts[static_cast<std::size_t>(part.kind)];
      if (part.kind != PartKind::audio) continue;
      auto& rates = manifest.audio_rates;
      const auto place = std::lower_bound(rates.begin(), rates.end(), part.rate);
      if (place == rates.end() || *place != part.rate) rates.insert(place, part.rate);
    }
  }
}

void check_shard_file(const std::string& folder, const ManifestShard& entry) {
  const std::string path = folder + '/' + entry.name;
  const FileSum sum = sum_of_file(path);
  if (sum.bytes != entry.bytes)
    fail(ErrorKind::data,
         text(path, " has ", sum.bytes, " bytes, the manifest says ", entry.bytes));
  if (sum.crc32c != entry.crc32c)
    fail(ErrorKind::data,
         text(path, " has checksum ", crc32c_text(sum.crc32c), ", the manifest says ",
              crc32c_text(entry.crc32c), ". The file is damaged"));
}

}  // namespace ortho
