// Sampler: which sample comes when; a function of (seed, epoch, sizes), the same for any ranks.
//
// - The units are permuted; their N samples in that order are cut into C equal streams.
// - The last N mod C are left out of this epoch. Each stream is shuffled in windows of W blocks.
// - Sample j is stream j mod C, place j div C. A batch is the next B samples. (epoch, consumed) is
//   all the state there is.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/box.h"

namespace ortho {

// A unit of blocks (dataio/shard.h) as the order sees it.
struct UnitSize {
  std::int64_t blocks;   // >= 1
  std::int64_t samples;  // >= 0
};

struct OrderRule {
  std::uint64_t seed = 0;
  std::int64_t streams = 64;       // C; the replicas must divide it and the batch
  std::int64_t window_blocks = 4;  // W
};

struct Cursor {
  std::int64_t epoch = 0;
  std::int64_t consumed = 0;  // samples of this epoch that all replicas together were given
  bool operator==(const Cursor&) const = default;
};

struct SampleId {
  std::int64_t unit;    // index into the units given
  std::int64_t sample;  // within the unit
  bool operator==(const SampleId&) const = default;
};

// One epoch. Remembers one shuffled window a stream (4 bytes a sample of it), so at() is cheap in
// order and correct in any order. A unit larger than W blocks is cut into windows of W blocks'
// worth of its samples.
class EpochPlan {
 public:
  // Fewer than 64 samples a stream, or two batches in all: gcd(C, batch)
  // streams are used, so that tiny data lose no more than a rest.
  // Error(usage) with both numbers when there are fewer samples than `batch`.
  EpochPlan(std::span<const UnitSize> units, const OrderRule& order, std::int64_t batch,
            std::int64_t epoch);

  std::int64_t samples() const { return streams_ * per_stream_; }  // that this epoch offers
  std::int64_t left_out() const { return begin_.back() - samples(); }
  std::int64_t streams() const { return streams_; }
  SampleId at(std::int64_t j);  // 0 <= j < samples()

 private:
  struct Shuffled {
    std::int64_t window = -1;
    std::vector<std::uint32_t> order;
  };

  void cut_windows(std::span<const UnitSize> units, std::int64_t stream);

  OrderRule order_;
  std::int64_t epoch_;
  std::int64_t streams_ = 0, per_stream_ = 0;
  std::vector<std::uint32_t> unit_order_;  // permuted units
  std::vector<std::int64_t> begin_;        // samples before each permuted unit; last entry: all
  std::vector<std::vector<std::int64_t>>
      windows_;                     // per stream: where each window starts, then the end
  std::vector<Shuffled> shuffled_;  // per stream
};

// Windows of the global batch that replica `replica` of `replicas` owns.
// Error(usage) with the numbers when the replicas do not divide
// the batch and the streams, or there are more replicas than windows.
Range owned_windows(std::int64_t batch, std::int64_t streams, int replicas, int replica);

// The samples j of the batch that starts at sample `consumed`, in the order of its windows: sorted
// by (j mod g, j), g = gcd(batch, streams). So the contiguous windows of a replica come from the
// same C / R streams all the time, and the order is the same for every R.
std::vector<std::int64_t> batch_samples(std::int64_t consumed, std::int64_t batch,
                                        std::int64_t streams);

// A record of `length` tokens fills this many windows of `tokens`.
std::int64_t count_windows(std::int64_t length, std::int64_t tokens);

// Spare places before the first token of record `record` when its last window leaves `spare`
// places: 0 … spare, each as likely.
std::int64_t random_padding(std::uint64_t seed, std::int64_t epoch, std::int64_t record,
                            std::int64_t spare);

}  // namespace ortho
