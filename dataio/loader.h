// Loader: batch after batch of windows, made ahead on a thread of its own.
//
// A pure function of (data, rules, seed, cursor): the global batches
// are the same for any number of replicas, each replica gets its own
// contiguous windows of them. A failure in the thread is thrown by next().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "dataio/dataset.h"
#include "dataio/sampler.h"
#include "dataio/window.h"
#include "tensor/held_rows.h"

namespace ortho {

// What a Dataset gives under a rule: samples of each unit, and what does not fit.
class SampleList {
 public:
  SampleList(const Dataset& dataset, const WindowRule& rule);

  std::int64_t samples() const { return first_sample_.back(); }
  std::int64_t skipped() const { return skipped_; }  // one_shot records that give no sample
  std::int64_t cut() const { return cut_; }          // one_shot records of which a part is left out
  std::vector<UnitSize> units() const;

  struct Window {
    std::int64_t record;
    std::int64_t index;  // of the record's windows
  };
  Window window(std::int64_t sample) const;  // in the order of the data
  Window window(const SampleId& id) const;

 private:
  const Dataset* dataset_;
  std::vector<std::int64_t> first_sample_;  // of each record, then all
  std::int64_t skipped_ = 0, cut_ = 0;
};

struct LoaderOptions {
  WindowRule window;
  std::int64_t windows = 1;  // B of all replicas together
  int replica = 0, replicas = 1;
  OrderRule order;
  int audio_bits = 16;
  // The tokens of a window that are kept, [s_1]…[s_n][1]; without it all are.
  std::optional<HeldRows> held = {};
  bool prefetch = true;  // false: next() makes the batch itself
};

// Batches that live at once while it makes them ahead:
// the last given, the next, and one in the making.
constexpr int kLoaderBatches = 3;

// Dataset and Vocabulary must outlive it and must not change meanwhile.
class Loader {
 public:
  // Error(usage) with the numbers when the data have fewer samples than the batch has windows, or
  // the replicas do not divide it. `cursor`: where a run left off; with another window rule or
  // other streams a run goes on at {epoch + 1, 0}, because the samples are others.
  Loader(const Dataset& dataset, const Vocabulary& vocabulary, const LoaderOptions& options,
         const Cursor& cursor = {});
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // This replica's windows of the next global batch; never ends: an epoch follows the other. After
  // it threw, so does every later call.
  Batch next();

  // Where each window of the batch that next() gave last comes from: "… record 41 (war.txt), window
  // 3 of it". Reads no data.
  std::vector<std::string> window_names() const;

  Cursor cursor() const;         // behind the batches that next() gave: what a checkpoint stores
  std::int64_t samples() const;  // of the data, under the window rule
  std::int64_t samples_per_epoch() const;  // that an epoch gives, in whole batches
  std::int64_t skipped() const;            // records that do not fit (one_shot)
  std::int64_t cut() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// All windows of a split once, in order, with padding at the end and, for diffusion, masks that are
// always the same; the last batch is filled up with empty windows. All replicas get equally many batches. Reads without a thread.
class HeldOut {
 public:
  HeldOut(const Dataset& dataset, const Vocabulary& vocabulary, const LoaderOptions& options);

  std::optional<Batch> next();  // nothing when all were given
  // Begins again. `windows` > 0: only about so many, in batches spread evenly over the split.
  void restart(std::int64_t windows = 0);
  std::int64_t samples() const { return list_.samples(); }
  std::int64_t skipped() const { return list_.skipped(); }
  std::int64_t batches() const;

 private:
  const Dataset* dataset_;
  const Vocabulary* vocabulary_;
  LoaderOptions options_;
  SampleList list_;
  std::int64_t given_ = 0;   // batches
  std::int64_t wanted_ = 0;  // batches to give
};

}  // namespace ortho
