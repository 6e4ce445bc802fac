#include "dataio/sampler.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "core/random.h"

namespace ortho {
namespace {

// Below that, leaving out N mod C samples would hurt.
constexpr std::int64_t kSamplesPerStream = 64;

// Fisher–Yates with counter-based numbers.
std::vector<std::uint32_t> permutation(std::int64_t n, const Random& random) {
  ASSERT(n <= std::numeric_limits<std::uint32_t>::max(), n, " is too many to permute");
  std::vector<std::uint32_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0u);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i, i)]);
  return order;
}

// Index of the last entry <= value in a sorted list whose first entry is <= value.
std::size_t last_at_most(const std::vector<std::int64_t>& sorted, std::int64_t value) {
  return static_cast<std::size_t>(std::upper_bound(sorted.begin(), sorted.end(), value) -
                                  sorted.begin() - 1);
}

}  // namespace

EpochPlan::EpochPlan(std::span<const UnitSize> units, const OrderRule& order, std::int64_t batch,
                     std::int64_t epoch)
    : order_(order), epoch_(epoch) {
  REQUIRE(order.streams >= 1 && order.window_blocks >= 1 && batch >= 1,
          "streams, window blocks and batch must be 1 or more, not ", order.streams, ", ",
          order.window_blocks, " and ", batch);
  const auto a = static_cast<std::uint64_t>(epoch);
  unit_order_ =
      permutation(static_cast<std::int64_t>(units.size()), Random(order.seed, "order/units", a));
  begin_.assign(1, 0);
  for (const std::uint32_t unit : unit_order_)
    begin_.push_back(begin_.back() + units[unit].samples);
  const std::int64_t all = begin_.back();
  REQUIRE(all >= batch, "more windows than samples: the batch has ", batch,
          " windows, the data give ", all, " samples. Make the batch smaller or pack more data.");
  const bool plenty = all >= kSamplesPerStream * order.streams && all >= 2 * batch;
  streams_ = plenty ? order.streams : std::gcd(order.streams, batch);
  per_stream_ = all / streams_;
  windows_.resize(static_cast<std::size_t>(streams_));
  shuffled_.resize(static_cast<std::size_t>(streams_));
  for (std::int64_t stream = 0; stream < streams_; ++stream) cut_windows(units, stream);
}

void EpochPlan::cut_windows(std::span<const UnitSize> units, std::int64_t stream) {
  const std::int64_t first = stream * per_stream_, end = first + per_stream_;
  std::vector<std::int64_t>& starts = windows_[static_cast<std::size_t>(stream)];
  // Of the open window: full, so the first unit opens one.
  std::int64_t blocks = order_.window_blocks;
  for (std::size_t at = last_at_most(begin_, first); at < unit_order_.size() && begin_[at] < end;
       ++at) {
    const UnitSize& unit = units[unit_order_[at]];
    const std::int64_t lo = std::max(first, begin_[at]), hi = std::min(end, begin_[at + 1]);
    if (lo >= hi) continue;
    if (unit.blocks > order_.window_blocks) {
      const std::int64_t pieces = (unit.blocks + order_.window_blocks - 1) / order_.window_blocks;
      starts.push_back(lo);
      for (std::int64_t piece = 1; piece < pieces; ++piece) {
        const std::int64_t start = begin_[at] + unit.samples * piece / pieces;
        if (start > starts.back() && start < hi) starts.push_back(start);
      }
      blocks = order_.window_blocks;
    } else if (blocks + unit.blocks > order_.window_blocks) {
      starts.push_back(lo);
      blocks = unit.blocks;
    } else {
      blocks += unit.blocks;
    }
  }
  starts.push_back(end);
}

SampleId EpochPlan::at(std::int64_t j) {
  ASSERT(j >= 0 && j < samples(), "sample ", j, " of ", samples());
  const auto stream = static_cast<std::size_t>(j % streams_);
  const std::int64_t place = static_cast<std::int64_t>(stream) * per_stream_ + j / streams_;
  const std::vector<std::int64_t>& starts = windows_[stream];
  const std::size_t window = last_at_most(starts, place);
  Shuffled& shuffled = shuffled_[stream];
  if (shuffled.window != static_cast<std::int64_t>(window)) {
    const Random random(order_.seed, "order/window", static_cast<std::uint64_t>(epoch_),
                        std::uint64_t{stream} << 32 | window);
    shuffled.order = permutation(starts[window + 1] - starts[window], random);
    shuffled.window = static_cast<std::int64_t>(window);
  }
  const std::int64_t start = starts[window];
  const std::int64_t sample = start + shuffled.order[static_cast<std::size_t>(place - start)];
  const std::size_t at = last_at_most(begin_, sample);
  return {unit_order_[at], sample - begin_[at]};
}

Range owned_windows(std::int64_t batch, std::int64_t streams, int replicas, int replica) {
  REQUIRE(replicas >= 1 && replica >= 0 && replica < replicas, "replica ", replica, " of ",
          replicas);
  REQUIRE(batch >= replicas, "more replicas than windows: ", replicas, " replicas, a batch of ",
          batch, " windows. Use fewer ranks for the batch axis or a larger batch.");
  REQUIRE(batch % replicas == 0 && streams % replicas == 0, replicas,
          " replicas must divide the batch of ", batch, " windows and the ", streams,
          " streams of the data order");
  return split(batch, replicas, replica);
}

std::vector<std::int64_t> batch_samples(std::int64_t consumed, std::int64_t batch,
                                        std::int64_t streams) {
  std::vector<std::int64_t> samples(static_cast<std::size_t>(batch));
  std::iota(samples.begin(), samples.end(), consumed);
  const std::int64_t classes = std::gcd(batch, streams);
  std::stable_sort(samples.begin(), samples.end(),
                   [classes](std::int64_t a, std::int64_t b) { return a % classes < b % classes; });
  return samples;
}

std::int64_t count_windows(std::int64_t length, std::int64_t tokens) {
  REQUIRE(length >= 0 && tokens >= 1, "windows of ", tokens, " tokens for ", length, " tokens");
  return length / tokens + (length % tokens != 0 ? 1 : 0);
}

std::int64_t random_padding(std::uint64_t seed, std::int64_t epoch, std::int64_t record,
                            std::int64_t spare) {
  const Random random(seed, "padding", static_cast<std::uint64_t>(epoch),
                      static_cast<std::uint64_t>(record));
  return static_cast<std::int64_t>(random.below(0, static_cast<std::uint64_t>(spare) + 1));
}

}  // namespace ortho
