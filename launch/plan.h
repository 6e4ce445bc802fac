// Plan: what a run will cost, as text for people. The numbers come from launch/cost.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launch/cost.h"
#include "trainer/config.h"

namespace ortho {

// What the data sets say, or what is assumed while they are not packed yet.
struct DataFacts {
  std::int64_t symbols = 0;
  std::string symbols_from;               // "the data sets", or why they were not asked
  bool packed = false;                    // all of them are there; else the two below are empty
  std::vector<std::int64_t> samples;      // windows of the data under each stage's rule
  std::vector<std::int64_t> skipped;      // records that fit no window of the stage
  std::vector<std::int64_t> cache_bytes;  // of each stage: what the unit caches hold at most
};

// Error(usage) when a stage's data give too few windows; Error(data) when a data set is damaged.
DataFacts find_data(const RunConfig& config, std::int64_t symbols_given, int ranks);

struct RateFacts {
  std::vector<Rate> rates;  // of each stage
  std::string from;         // "given", or how it was measured
};

struct PlanFacts {
  std::string config;  // path of the run file
  int ranks = 1;
  DataFacts data;
  RateFacts rate;
  OptimizerConfig optimizer;
};

std::string plan_text(const PlanFacts& facts, const RunCost& cost);

std::string grouped(std::int64_t number);  // 868480 -> "868,480"

}  // namespace ortho
