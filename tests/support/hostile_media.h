// Damaged files of every kind that `pack` and `train` read, and what came of each.
//
// A damaged media file gives valid parts or an Error of kind data that names it; a damaged shard
// gives the records that were written or such an Error. Anything else is a fault. A worker that
// dies or hangs costs its file alone, and is counted apart.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "core/random.h"
#include "dataio/import.h"
#include "dataio/media/gzip.h"
#include "dataio/media/idx.h"
#include "dataio/media/png.h"
#include "dataio/shard.h"
#include "tests/support/hostile.h"
#include "tests/support/make_data.h"
#include "tests/support/media_kit.h"

namespace ortho {

struct HostileCounts {
  int accepted = 0, refused = 0, worker_lost = 0;
};

class HostileMedia {
 public:
  HostileMedia() : decoder_(ORTHO_DECODE) {
    Image image{17, 9, {}};
    for (int i = 0; i < 17 * 9 * 3; ++i) image.rgb.push_back(static_cast<std::uint8_t>(i * 7));
    Sound sound{8000, {}};
    for (int i = 0; i < 500; ++i) sound.samples.push_back(static_cast<std::int16_t>(i * 60 - 9000));
    const Bytes idx = encode_idx_images({4, 5, 5, Bytes(100, 90)});
    seeds_ = {{"a.png", encode_png(image)},
              {"a.wav", encode_wav(sound)},
              {"a.idx", idx},
              {"a.idx.gz", gzip(idx)},
              {"a.txt", bytes_of_text("Gr\u00fc\u00dfe, \u4f60\u597d, \U0001F600 and plain words")},
              {"a.ppm", bytes_of_text("P6 3 2 255\nabcdefghijklmnopqr")},
              {"a.pgm", bytes_of_text("P2 3 2 100\n1 2 3\n4 5 100\n")},
              {"a.h5", shard()}};
    if (!has_decoder()) return;
    for (const std::string& name : MediaFiles::get().names())
      seeds_.push_back({name, read_bytes(MediaFiles::get().path(name))});
  }

  // Damages file after file, so that each kind gets its share; `rounds` in all.
  void run(std::uint64_t seed, int rounds) {
    for (int round = 0; round < rounds; ++round) {
      const auto& [name, whole] = seeds_[static_cast<std::size_t>(round) % seeds_.size()];
      const auto start = std::chrono::steady_clock::now();
      const Bytes bytes = damaged(whole, Random(seed, name, static_cast<std::uint64_t>(round)));
      try_one(name, bytes, round);
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      if (took.count() > kMaxSeconds) fault(name, round, text("took ", took.count(), " seconds"));
    }
  }

  const std::map<std::string, HostileCounts>& counts() const { return counts_; }
  const std::vector<std::string>& faults() const { return faults_; }
  const std::vector<std::string>& lost() const { return lost_; }  // what workers died of

 private:
  static constexpr double kMaxSeconds = 30;  // the worker's limit is 20

  void fault(const std::string& name, int round, const std::string& what) {
    faults_.push_back(text(name, " round ", round, ": ", what));
  }

  void try_one(const std::string& name, const Bytes& bytes, int round) {
    HostileCounts& counts = counts_[name];
    try {
      const std::string wrong = name == "a.h5" ? wrong_records(bytes) : wrong_parts(name, bytes);
      ++counts.accepted;
      if (!wrong.empty()) fault(name, round, wrong);
    } catch (const Error& error) {
      const std::string& words = error.reason();
      const bool worker = words.find("cannot be decoded: orthotope-decode") != std::string::npos;
      ++(worker ? counts.worker_lost : counts.refused);
      if (worker) lost_.push_back(text("round ", round, ": ", words));
      if (error.kind() != ErrorKind::data || words.find(name) == std::string::npos)
        fault(name, round, text("refused with ", error.what()));
    } catch (const std::exception& error) {
      fault(name, round, text("an exception that is not ours: ", error.what()));
    }
  }

  // What is wrong with the parts that came out; empty when they are as parts must be.
  std::string wrong_parts(const std::string& name, const Bytes& bytes) {
    const Bytes plain = is_gzip(bytes) ? gunzip(bytes, name) : bytes;
    const FileKind kind = kind_of(plain, name);
    if (kind == FileKind::idx) {
      const IdxImages images = decode_idx_images(plain, name);
      const auto size = static_cast<std::size_t>(images.count * images.rows * images.columns);
      return images.grey.size() == size ? "" : "pixels are missing";
    }
    if (kind == FileKind::media && !has_decoder())
      fail(ErrorKind::data, text(name, " would need a decoder"));
    ImportRule rule;
    rule.decode.seconds = 20;
    for (const Part& part : import_parts(plain, name, rule, decoder_)) {
      const std::string wrong = part_fault(part.kind, part.dtype, part.shape, part.rate);
      if (!wrong.empty()) return wrong;
      if (part.bytes.size() != part_bytes(part.shape, part.dtype)) return "bytes are missing";
    }
    return {};
  }

  static std::vector<Record> records() {
    std::vector<Record> out;
    for (int i = 0; i < 12; ++i)
      out.push_back({{text_of(text("number ", i)), picture_of(i, 3, 3), sound_of(100 * i, 50)},
                     text("source ", i),
                     i % 4 == 3 ? Split::valid : Split::train});
    return out;
  }

  Bytes shard() const {
    write_shard(folder_ / "a.h5", records());
    return read_bytes(folder_ / "a.h5");
  }

  std::string wrong_records(const Bytes& bytes) const {
    const std::string path = folder_ / "a.h5";
    write_file_durably(path, std::string(bytes.begin(), bytes.end()));
    const ShardReader reader(path);
    // A shard keeps the order within a split, not across splits.
    std::vector<Record> written = records();
    std::stable_sort(written.begin(), written.end(),
                     [](const Record& a, const Record& b) { return a.split < b.split; });
    if (reader.records() != written.size()) return "records are missing";
    std::vector<Record> found;
    for (std::uint64_t i = 0; i < reader.records(); ++i) found.push_back(reader.read_record(i));
    std::stable_sort(found.begin(), found.end(),
                     [](const Record& a, const Record& b) { return a.split < b.split; });
    for (std::size_t i = 0; i < found.size(); ++i)
      if (!same(found[i], written[i])) return text("record ", i, " is another");
    return {};
  }

  static bool same(const Record& a, const Record& b) {
    if (a.source != b.source || a.split != b.split || a.parts.size() != b.parts.size())
      return false;
    for (std::size_t i = 0; i < a.parts.size(); ++i) {
      const Part &p = a.parts[i], &q = b.parts[i];
      if (p.kind != q.kind || p.dtype != q.dtype || p.shape != q.shape || p.rate != q.rate ||
          p.bytes != q.bytes)
        return false;
    }
    return true;
  }

  TempFolder folder_;
  Decoder decoder_;
  std::vector<std::pair<std::string, Bytes>> seeds_;
  std::map<std::string, HostileCounts> counts_;
  std::vector<std::string> faults_, lost_;
};

}  // namespace ortho
