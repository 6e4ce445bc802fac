// Pack: raw files and lists of items to a folder of shards and, last, its MANIFEST.
//
// A bad file stops it with an error that names the file; with `keep_going` the file is listed in
// SKIPPED with the reason. Until the MANIFEST is there, no reader takes the folder for a data set;
// after an error the shards written so far are removed. The same inputs give the same bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dataio/import.h"
#include "dataio/manifest.h"
#include "dataio/shard.h"
#include "dataio/text_records.h"

namespace ortho {

// One record given part by part: a line of a JSON-lines list.
struct PackPart {
  enum class Kind { file, text } kind = Kind::file;
  std::string value;  // path of a text, image, sound or film; or the text itself, UTF-8
  std::optional<std::int64_t> index = {};  // of an IDX file: one of its images, from 0
};

struct PackItem {
  std::vector<PackPart> parts;
  std::optional<Split> split;
  std::string source;  // names the item in messages and in the shard: "pairs.jsonl line 12"
};

// A file, or a folder of files: all of them, in the order of their paths, but hidden ones.
struct PackPath {
  std::string path;
  std::string labels;          // IDX labels of an IDX images file; empty: none
  std::optional<Split> split;  // the official split
};

// Where records without an official split go.
struct SplitRule {
  enum class Kind {
    hash,   // `held_out` of the sources, chosen by a hash of the source's name, are `valid`; of an
            // IDX file, whose images are independent, `held_out` of the images
    tail,   // the last `held_out` of each text or IDX file, by position, is `valid`
    fixed,  // all are `fixed`
  } kind = Kind::hash;
  double held_out = 0.1;  // 0 to 1
  Split fixed = Split::train;
};

// How the parts of a record that has several are stored.
enum class PartOrder {
  given,
  reversed,  // image and words become words and image
  both,  // the second, fourth, … such record of each split is reversed: a model learns both ways
};

// "hash:0.1", "tail:0.1", "train", "valid", "test"; Error(usage) else.
SplitRule split_rule_from(const std::string& words);
Split split_from_name(const std::string& name);           // Error(usage) listing the known names
PartOrder part_order_from_name(const std::string& name);  // the same

struct PackRule {
  std::string output;  // folder; made when absent
  SplitRule split;
  ImportRule import;
  TextRecords text_records = TextRecords::file;
  PartOrder order = PartOrder::given;
  // Each `train` record of a list or of a sound's file that has a sound is packed once at each of
  // these speeds, so that a model hears more voices than there are; empty: once, as it is.
  std::vector<double> speeds;
  std::int64_t late = 0;  // at most so many samples of silence behind each of them, by chance
  std::int64_t max_samples = 0;  // records with longer audio are skipped and listed; 0: none
  std::vector<std::string> label_names;  // word of label 0, 1, …; none: the number itself
  std::vector<std::string> endings;  // in folders take only these (".png"); "": names without a dot
  std::uint64_t shard_bytes = std::uint64_t{256} << 20;  // of payload, or one record's
  std::uint64_t text_bytes = std::uint64_t{64} << 20;  // longer texts are cut into several records
  bool keep_going = false;
  bool replace = false;  // an existing data set in the folder, instead of refusing
  std::string decoder = "orthotope-decode";  // path of the worker program
  ShardOptions shard;
};

struct SkippedFile {
  std::string name, reason;
};

struct PackResult {
  Manifest manifest;
  std::vector<SkippedFile> skipped;
};

PackResult pack(const std::vector<PackPath>& paths, const std::vector<PackItem>& items,
                const PackRule& options);

}  // namespace ortho
