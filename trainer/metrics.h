// Metrics: a run's numbers, one JSON object a line
// in metrics.jsonl, and the line that shows progress.
//
// Every line has `event` (step, evaluate, growth, …) and `step`,
// the number of steps done. A run that goes on from a checkpoint first
// drops the lines behind it, so that no step stands in the file twice.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "comm/exchange_plan.h"
#include "core/json.h"

namespace ortho {

// What one rank sends, and how long packing, waiting and unpacking takes it.
struct Sent {
  std::int64_t bytes = 0, messages = 0;
  double seconds = 0;
  bool operator==(const Sent&) const = default;
};

struct AxisSent {
  std::string axis;  // label of its moves (model/moves.h)
  Sent forward, backward;
  bool operator==(const AxisSent&) const = default;
};

// What a step exchanges: bytes and messages that rank 0 sends, the seconds of the slowest rank.
struct StepTraffic {
  std::vector<AxisSent> exchange;  // of activations
  LevelTraffic levels;             // the same, within the node and beyond it
  Sent gradients;                  // sums of gradients, and what brings the new weights back
};

struct StepMetrics {
  std::int64_t step = 0;  // steps done, this one included
  std::string stage;
  std::string objective;                              // "next_token"
  double loss = 0;                                    // weighted sum of the terms
  std::vector<std::pair<std::string, double>> terms;  // nats a target, unweighted
  double rate = 0;                                    // learning rate
  double grad_norm = 0;                               // before clipping
  std::int64_t tokens = 0;                            // in all steps so far, over all ranks
  double tokens_per_sec = 0;                          // of the run so far
  double seconds = 0;                                 // of the run so far, earlier starts included
  double flops = 0;                                   // training FLOPs so far
  StepTraffic traffic;                                // of this step; nothing sent: not written
};

struct EvaluationMetrics {
  std::int64_t step = 0;
  std::string stage;
  std::string objective;
  std::string split;  // "valid"
  double loss = 0;
  std::vector<std::pair<std::string, double>> terms;
  std::int64_t windows = 0;
  double seconds = 0;  // the evaluation took
};

JsonObject json_line(const StepMetrics& metrics);
JsonObject json_line(const EvaluationMetrics& metrics);

class MetricsFile {
 public:
  explicit MetricsFile(std::string path) : path_(std::move(path)) {}
  void write(const JsonObject& line);
  // Keeps the lines up to `step` steps done, but for a growth or a bad step at `step`:
  // the checkpoint is saved before it, and it is repeated. A last line cut short by a kill
  // is dropped too; any other line that is no JSON object with a step is Error(data).
  void rewind(std::int64_t step);
  void check() const;  // Error(data) as above for any line but a last one cut short

 private:
  std::string for_each_line(
      const std::function<void(std::string_view, const ConfigNode&, std::int64_t)>& see) const;
  std::string path_;
};

struct Progress {
  std::string stage;
  size_t stage_number = 1, stages = 1;
  std::int64_t step = 0, steps = 0;  // of the run
  double flops_done = 0, flops_total = 0;
  // Of this process: what the time left is taken from.
  double flops_since_start = 0, seconds_since_start = 0;
  double loss = 0, rate = 0, tokens_per_sec = 0;
};

// "lines 2/4 | step 1234/2000 | 62 % | loss 1.713 | lr 3.1e-03 | 21.4k tokens/s | 1m12s left"
std::string progress_line(const Progress& progress);

std::string duration_text(double seconds);  // "45s", "3m05s", "2h07m"; "?" when not finite
std::string sec_text(double seconds);       // "18.7 ms", "3.21 s"
std::string rate_text(double per_sec);      // "950", "21.4k", "3.20M"

}  // namespace ortho
