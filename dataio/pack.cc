#include "dataio/pack.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <map>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/random.h"
#include "dataio/media/gzip.h"
#include "dataio/media/idx.h"
#include "dataio/media/utf8.h"
#include "dataio/shard_set.h"

namespace ortho {
namespace {

namespace fs = std::filesystem;

struct SourceFile {
  std::string path;  // as it is opened
  std::string name;  // as the shard calls it: below the folder that was given
  std::string labels;
  std::optional<Split> split;
};

struct LabelledImages {
  IdxImages images;
  std::vector<std::uint8_t> labels;  // one an image, or none at all
};

bool has_ending(const std::string& name, const std::vector<std::string>& endings) {
  return endings.empty() ||
         std::any_of(endings.begin(), endings.end(), [&](const std::string& ending) {
           return ending.empty() ? name.find('.') == std::string::npos : name.ends_with(ending);
         });
}

// All files below, sorted by their path; hidden files
// and folders are passed over, links to folders too.
std::vector<SourceFile> files_below(const PackPath& folder, const PackRule& options) {
  std::vector<SourceFile> files;
  std::error_code code;
  auto entry = fs::recursive_directory_iterator(folder.path, code);
  REQUIRE(!code, "cannot read folder ", folder.path, ": ", code.message());
  for (; entry != fs::recursive_directory_iterator(); entry.increment(code)) {
    std::error_code gone;  // a link to nowhere is no file
    const std::string name = entry->path().filename().string();
    const bool hidden = name.starts_with('.');
    if (hidden && entry->is_directory(gone)) entry.disable_recursion_pending();
    if (hidden || !entry->is_regular_file(gone) || !has_ending(name, options.endings)) continue;
    const std::string path = entry->path().string();
    files.push_back(
        {path, fs::path(path).lexically_relative(folder.path).string(), "", folder.split});
  }
  REQUIRE(!code, "cannot read all of folder ", folder.path, ": ", code.message());
  REQUIRE(!files.empty(), "folder ", folder.path, " has no files",
          options.endings.empty() ? "" : text(" that end in ", list_text(options.endings)),
          ": there is nothing to pack");
  std::sort(files.begin(), files.end(),
            [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

std::vector<SourceFile> files_of(const PackPath& path, const PackRule& options) {
  std::error_code code;
  if (!fs::is_directory(path.path, code))
    return {{path.path, fs::path(path.path).filename().string(), path.labels, path.split}};
  REQUIRE(path.labels.empty(), "labels ", path.labels, " belong to an IDX file, but ", path.path,
          " is a folder");
  return files_below(path, options);
}

std::vector<std::uint8_t> load(const std::string& path) {
  auto bytes = read_bytes(path);
  return is_gzip(bytes) ? gunzip(bytes, path) : bytes;
}

// The same inputs, by name and size, have the same id.
DatasetId dataset_id_of(const std::vector<SourceFile>& files, const std::vector<PackItem>& items) {
  std::ostringstream all;
  for (const SourceFile& file : files) {
    std::error_code code;
    all << file.name << '\n' << fs::file_size(file.path, code) << '\n';
  }
  for (const PackItem& item : items)
    for (const PackPart& part : item.parts) {
      all << item.source << '\n' << part.value << '\n';
      if (part.index) all << *part.index << '\n';
    }
  const Random random(0, all.str());
  DatasetId id{};
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::uint8_t>(random.bits(i));
  return id;
}

class Packer {
 public:
  Packer(const DatasetId& id, const PackRule& options)
      : options_(options),
        decoder_(options.decoder),
        shards_(options.output, id, options.shard_bytes, options.shard, options.replace) {}

  void add_file(const SourceFile& file) {
    const auto bytes = attempt(file.name, [&] {
      decode_utf8(std::string_view(file.name), "the name of " + file.path);  // shards store it
      return load(file.path);
    });
    if (!bytes) return;
    const auto kind = attempt(file.name, [&] { return kind_of(*bytes, file.path); });
    if (!kind) return;
    REQUIRE(file.labels.empty() || *kind == FileKind::idx, "labels ", file.labels,
            " belong to an IDX file of images, and ", file.path, " is none");
    if (*kind == FileKind::idx) return add_idx(*bytes, file);
    if (*kind == FileKind::text) return add_text(*bytes, file);
    const Split split = file.split ? *file.split : whole_split(file.name, file.path);
    add_at_speeds(file.name, split, [&](const ImportRule& rule) {
      return import_parts(*bytes, file.path, rule, decoder_);
    });
  }

  void add_item(const PackItem& item) {
    REQUIRE(!item.parts.empty(), item.source, " has no parts");
    const Split split = item.split ? *item.split : whole_split(item.source, item.source);
    add_at_speeds(item.source, split, [&](const ImportRule& rule) {
      std::vector<Part> made;
      for (const PackPart& part : item.parts)
        for (Part& one : parts_of(part, item.source, rule)) made.push_back(std::move(one));
      return made;
    });
  }

  PackResult finish() {
    REQUIRE(shards_.records() > 0, "nothing to pack: all ", skipped_.size(),
            " files were skipped, the first because ", skipped_.empty() ? "" : skipped_[0].reason);
    std::ostringstream list;
    for (const SkippedFile& file : skipped_) list << file.name << ": " << file.reason << '\n';
    const std::string path = options_.output + "/SKIPPED";
    if (!skipped_.empty() || file_exists(path)) write_file_durably(path, list.str());
    return {shards_.finish(), skipped_};
  }

 private:
  // What `make` gives; nothing when the file is bad and we keep going.
  template <class Make>
  std::optional<std::invoke_result_t<Make>> attempt(const std::string& name, Make make) {
    try {
      return make();
    } catch (const Error& error) {
      const bool bad_file = error.kind() == ErrorKind::data || error.kind() == ErrorKind::usage;
      if (!options_.keep_going || !bad_file) throw;
      skipped_.push_back({name, error.what()});
      return std::nullopt;
    }
  }

  // The record that `make` gives, at each speed when it is to train on and has a sound.
  template <class Make>
  void add_at_speeds(const std::string& name, Split split, Make make) {
    ImportRule rule = options_.import;
    const bool varied = split == Split::train && !options_.speeds.empty();
    const Random random(0, "late/" + name);
    std::uint64_t copy = 0;
    for (const double speed : varied ? options_.speeds : std::vector{rule.speed}) {
      rule.speed = speed;
      const auto silences = static_cast<std::uint64_t>(varied ? options_.late : 0) + 1;
      rule.silence_behind = static_cast<std::int64_t>(random.below(copy++, silences));
      auto parts = attempt(name, [&] { return make(rule); });
      if (!parts) return;
      const bool sounds = std::any_of(parts->begin(), parts->end(), [](const Part& part) {
        return part.kind == PartKind::audio;
      });
      add({std::move(*parts), name, split});
      if (!sounds) return;
    }
  }

  void add(Record record) {
    for (const Part& part : record.parts) {
      if (part.kind != PartKind::audio || options_.max_samples <= 0) continue;
      if (part.shape[0] <= static_cast<std::uint64_t>(options_.max_samples)) continue;
      skipped_.push_back({record.source, text("has ", part.shape[0], " samples, the limit is ",
                                              options_.max_samples)});
      return;
    }
    if (record.parts.size() > 1 && reverse_next(record.split))
      std::reverse(record.parts.begin(), record.parts.end());
    shards_.add(record);
  }

  // Counted by split, so that a held-out share taken at regular steps holds both orders too.
  bool reverse_next(Split split) {
    const std::uint64_t number = ordered_[static_cast<std::size_t>(split)]++;
    return options_.order == PartOrder::reversed ||
           (options_.order == PartOrder::both && number % 2 == 1);
  }

  std::vector<Part> parts_of(const PackPart& part, const std::string& source,
                             const ImportRule& rule) {
    if (part.kind == PackPart::Kind::text)
      return {text_part_of(decode_utf8(std::string_view(part.value), source), source)};
    if (!part.index) return import_parts(load(part.value), part.value, rule, decoder_);
    const IdxImages& images = listed_images(part.value);
    REQUIRE(*part.index >= 0 && *part.index < images.count, source, " names image ", *part.index,
            " of ", part.value, ", which holds ", images.count, ", counted from 0");
    return {image_part(idx_image(images, *part.index), rule)};
  }

  // Read once: a list may name thousands of one file's images.
  const IdxImages& listed_images(const std::string& path) {
    const auto known = listed_images_.find(path);
    if (known != listed_images_.end()) return known->second;
    return listed_images_.emplace(path, decode_idx_images(load(path), path)).first->second;
  }

  Split hashed_split(const std::string& key) const {
    const double at = Random(0, "split/" + key).uniform(0);
    return at < options_.split.held_out ? Split::valid : Split::train;
  }

  // Of a record that is not a part of a longer file.
  Split whole_split(const std::string& key, const std::string& path) const {
    REQUIRE(options_.split.kind != SplitRule::Kind::tail, path,
            " is one record and has no tail: give its split, or use the rule hash");
    return options_.split.kind == SplitRule::Kind::fixed ? options_.split.fixed : hashed_split(key);
  }

  // First of `count` positions that the rule `tail` holds out.
  std::int64_t tail_start(std::int64_t count) const {
    return static_cast<std::int64_t>(
        std::floor(static_cast<double>(count) * (1 - options_.split.held_out)));
  }

  void add_text(const std::vector<std::uint8_t>& bytes, const SourceFile& file) {
    const auto symbols = attempt(file.name, [&] {
      auto decoded = decode_utf8(bytes, file.path);
      if (decoded.empty()) fail(ErrorKind::data, text(file.path, " is empty"));
      return decoded;
    });
    if (!symbols) return;
    auto ranges = text_ranges(*symbols, options_.text_records);
    const bool tail = !file.split && options_.split.kind == SplitRule::Kind::tail;
    const auto length = static_cast<std::int64_t>(symbols->size());
    const std::int64_t cut = tail ? tail_start(length) : length;
    if (options_.text_records == TextRecords::file) ranges = cut_at(ranges, cut);
    const char32_t largest = *std::max_element(symbols->begin(), symbols->end());
    const std::int64_t width = largest < 0x100 ? 1 : largest < 0x10000 ? 2 : 4;
    const auto most =
        std::max<std::int64_t>(static_cast<std::int64_t>(options_.text_bytes) / width, 1);
    const Split split = file.split ? *file.split
                        : tail     ? Split::train
                                   : whole_split(file.name, file.path);
    for (const Range& range : cut_longer(ranges, most)) {
      const auto piece = std::u32string_view(*symbols).substr(
          static_cast<std::size_t>(range.lo), static_cast<std::size_t>(range.size()));
      const bool held_out = tail && range.lo >= cut;
      add({{text_part_of(piece, file.path)}, file.name, held_out ? Split::valid : split});
    }
  }

  std::string label_text(std::uint8_t label) const {
    return options_.label_names.empty() ? text(int{label}) : options_.label_names.at(label);
  }

  LabelledImages read_idx(const std::vector<std::uint8_t>& bytes, const SourceFile& file) const {
    LabelledImages out{decode_idx_images(bytes, file.path), {}};
    if (file.labels.empty()) return out;
    out.labels = decode_idx_labels(read_bytes(file.labels), file.labels);
    if (static_cast<std::int64_t>(out.labels.size()) != out.images.count)
      fail(ErrorKind::data, text(file.labels, " has ", out.labels.size(), " labels, but ",
                                 file.path, " has ", out.images.count, " images"));
    const std::size_t names = options_.label_names.size();
    for (std::size_t i = 0; i < out.labels.size() && names > 0; ++i)
      if (out.labels[i] >= names)
        fail(ErrorKind::data, text(file.labels, " label ", i, " is ", int{out.labels[i]},
                                   ", but only ", names, " label names were given"));
    return out;
  }

  void add_idx(const std::vector<std::uint8_t>& bytes, const SourceFile& file) {
    const auto idx = attempt(file.name, [&] { return read_idx(bytes, file); });
    if (!idx) return;
    const std::int64_t cut = tail_start(idx->images.count);
    for (std::int64_t i = 0; i < idx->images.count; ++i) {
      const bool tail = options_.split.kind == SplitRule::Kind::tail;
      Record record{
          {image_part(idx_image(idx->images, i), options_.import)}, file.name, Split::train};
      record.split = file.split ? *file.split
                     : tail     ? (i >= cut ? Split::valid : Split::train)
                                : whole_split(text(file.name, '/', i), file.path);
      if (!idx->labels.empty()) {
        const std::string word = label_text(idx->labels[static_cast<std::size_t>(i)]);
        record.parts.push_back(
            text_part_of(decode_utf8(std::string_view(word), "the label names"), "a label name"));
      }
      add(std::move(record));
    }
  }

  const PackRule& options_;
  Decoder decoder_;
  ShardSet shards_;
  std::vector<SkippedFile> skipped_;
  std::map<std::string, IdxImages> listed_images_;  // by path
  std::array<std::uint64_t, kSplits> ordered_{};    // records of several parts so far
};

// The rule hash needs many sources: one file's pieces stay together.
void warn_of_lonely_split(const Manifest& manifest, const SplitRule& rule) {
  if (rule.kind != SplitRule::Kind::hash || rule.held_out <= 0 || rule.held_out >= 1) return;
  const auto train = manifest.records[0], rest = manifest.records[1] + manifest.records[2];
  if (train == 0 || rest == 0)
    warn(text("all records are in one split (", train, " to train on, ", rest,
              " held out): too few sources for the rule hash. For one long text use tail:0.1."));
}

bool has_official_split(const std::vector<PackPath>& paths, const std::vector<PackItem>& items) {
  const auto official = [](const auto& input) { return input.split.has_value(); };
  return std::any_of(paths.begin(), paths.end(), official) ||
         std::any_of(items.begin(), items.end(), official);
}

}  // namespace

Split split_from_name(const std::string& name) {
  for (int i = 0; i < kSplits; ++i)
    if (name == split_name(static_cast<Split>(i))) return static_cast<Split>(i);
  fail(ErrorKind::usage, text("unknown split '", name, "'; known: train, valid, test"));
}

PartOrder part_order_from_name(const std::string& name) {
  if (name == "given") return PartOrder::given;
  if (name == "reversed") return PartOrder::reversed;
  if (name == "both") return PartOrder::both;
  fail(ErrorKind::usage, text("unknown order '", name, "'; known: given, reversed, both"));
}

SplitRule split_rule_from(const std::string& words) {
  SplitRule rule;
  const bool hash = words.starts_with("hash:"), tail = words.starts_with("tail:");
  if (!hash && !tail) {
    rule.kind = SplitRule::Kind::fixed;
    rule.fixed = split_from_name(words);
    return rule;
  }
  rule.kind = hash ? SplitRule::Kind::hash : SplitRule::Kind::tail;
  const char* end = words.data() + words.size();
  const auto [stop, code] = std::from_chars(words.data() + 5, end, rule.held_out);
  REQUIRE(code == std::errc{} && stop == end && rule.held_out >= 0 && rule.held_out <= 1, "split '",
          words, "' needs a share from 0 to 1 behind the colon, such as ", words.substr(0, 5),
          "0.1");
  return rule;
}

PackResult pack(const std::vector<PackPath>& paths, const std::vector<PackItem>& items,
                const PackRule& options) {
  REQUIRE(!options.output.empty(), "no output folder was given");
  REQUIRE(!paths.empty() || !items.empty(), "nothing to pack: no files and no items were given");
  std::vector<SourceFile> files;
  for (const PackPath& path : paths) {
    const auto some = files_of(path, options);
    files.insert(files.end(), some.begin(), some.end());
  }
  Packer packer(dataset_id_of(files, items), options);
  for (const SourceFile& file : files) packer.add_file(file);
  for (const PackItem& item : items) packer.add_item(item);
  PackResult result = packer.finish();
  if (!has_official_split(paths, items)) warn_of_lonely_split(result.manifest, options.split);
  return result;
}

}  // namespace ortho
