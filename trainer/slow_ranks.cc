#include "trainer/slow_ranks.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace ortho {
namespace {

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

RankTimes rank_times(std::span<const double> busy_sec) {
  ASSERT(!busy_sec.empty(), "times of no rank");
  RankTimes times;
  times.median_sec = median_of({busy_sec.begin(), busy_sec.end()});
  times.most_sec = *std::max_element(busy_sec.begin(), busy_sec.end());
  for (size_t rank = 0; rank < busy_sec.size(); ++rank) {
    if (busy_sec[rank] == times.most_sec) times.slowest = static_cast<int>(rank);
    std::vector<double> others(busy_sec.begin(), busy_sec.end());
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(rank));
    const double median = others.empty() ? 0 : median_of(others);
    if (median > 0 && busy_sec[rank] > kSlow * median)
      times.slow.push_back({static_cast<int>(rank), busy_sec[rank] / median});
  }
  return times;
}

SlowRanks find_slow_ranks(Channel& channel, double busy_sec) {
  std::vector<double> busy(static_cast<size_t>(channel.ranks()));
  busy[static_cast<size_t>(channel.rank())] = busy_sec;
  channel.sum(std::span<double>(busy));
  const std::vector<std::string> hosts = channel.gather(channel.host());
  SlowRanks found;
  found.times = rank_times(busy);
  for (const auto& [rank, times] : found.times.slow)
    found.line += text(found.line.empty() ? "slow: rank " : ", rank ", rank, " on ",
                       hosts[static_cast<size_t>(rank)], " computes ", std::round(10 * times) / 10,
                       " times as long as the others");
  return found;
}

JsonObject json_line(const SlowRanks& ranks, std::int64_t step) {
  return JsonObject()
      .add("event", std::string("ranks"))
      .add("step", step)
      .add("median_sec", ranks.times.median_sec)
      .add("slowest", static_cast<std::int64_t>(ranks.times.slowest))
      .add("slowest_sec", ranks.times.most_sec)
      .add("slow", ranks.line);
}

}  // namespace ortho
