// Slow ranks: which ranks make the others wait, from the time each spends outside operations.
//
// A rank that waits for others does not compute; the one that waits least is the one they wait for.
// Times are intervals of one host's clock, so the hosts' clocks need not agree.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "comm/channel.h"
#include "core/json.h"

namespace ortho {

inline constexpr double kSlow = 1.5;

struct RankTimes {
  struct Slow {
    int rank;
    double times;  // the median of the others, above kSlow
    bool operator==(const Slow&) const = default;
  };
  double median_sec = 0, most_sec = 0;
  int slowest = 0;
  std::vector<Slow> slow;
};
RankTimes rank_times(std::span<const double> busy_sec);

struct SlowRanks {
  RankTimes times;
  std::string
      line;  // "slow: rank 3 on node-b computes 1.8 times as long as the others"; "" when none is
};
// Of the seconds that each rank was busy. Collective.
SlowRanks find_slow_ranks(Channel& channel, double busy_sec);
JsonObject json_line(const SlowRanks& ranks, std::int64_t step);

}  // namespace ortho
