#include "trainer/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "core/error.h"
#include "core/file.h"
#include "tests/support/temp_folder.h"

namespace ortho {
namespace {

class Metrics : public testing::Test {
 protected:
  const TempFolder folder_;  // tests run side by side
  const std::string path_ = folder_ / "metrics.jsonl";
};

StepMetrics at_step(std::int64_t step) {
  StepMetrics m;
  m.step = step;
  m.stage = "words";
  m.objective = "next_token";
  m.loss = 1.5;
  m.terms = {{"text", 1.25}, {"modality", 0.25}};
  m.rate = 4e-3;
  m.grad_norm = 2;
  m.tokens = 768 * step;
  m.tokens_per_sec = 1000;
  m.seconds = 12.5;
  m.flops = 1e9;
  return m;
}

TEST_F(Metrics, StepLine) {
  EXPECT_EQ(json_line(at_step(3)).text(),
            R"({"event": "step", "step": 3, "stage": "words", "objective": "next_token", )"
            R"("loss": 1.5, )"
            R"("terms": {"text": 1.25, "modality": 0.25}, "lr": 0.004, "grad_norm": 2, )"
            R"("tokens": 2304, "tokens_per_sec": 1000, "seconds": 12.5, "flops": 1e+09})");
}

TEST_F(Metrics, AStepThatExchangesSaysHowMuch) {
  StepMetrics m = at_step(3);
  const std::string alone = json_line(m).text();
  m.traffic.exchange = {{"s_1", {100, 2, 0.5}, {300, 4, 0.25}}, {"halo s_1", {7, 1, 0}, {8, 1, 0}}};
  m.traffic.levels = {{2, 107}, {6, 308}};
  m.traffic.gradients = {4000, 6, 0.125};
  EXPECT_EQ(
      json_line(m).text(),
      alone.substr(0, alone.size() - 1) +
          R"(, "exchange": {"s_1": {"forward": {"bytes": 100, "messages": 2, "seconds": 0.5}, )"
          R"("backward": {"bytes": 300, "messages": 4, "seconds": 0.25}}, )"
          R"("halo s_1": {"forward": {"bytes": 7, "messages": 1, "seconds": 0}, )"
          R"("backward": {"bytes": 8, "messages": 1, "seconds": 0}}}, )"
          R"("levels": {"node": {"bytes": 107, "messages": 2}, )"
          R"("network": {"bytes": 308, "messages": 6}}, )"
          R"("gradients": {"bytes": 4000, "messages": 6, "seconds": 0.125}})");
}

TEST_F(Metrics, EvaluationLine) {
  EXPECT_EQ(
      json_line(EvaluationMetrics{5, "words", "diffusion", "valid", 2.5, {{"text", 2.5}}, 7, 0.5})
          .text(),
      R"({"event": "evaluate", "step": 5, "stage": "words", "objective": "diffusion", )"
      R"("split": "valid", "loss": 2.5, )"
      R"("terms": {"text": 2.5}, "windows": 7, "seconds": 0.5})");
}

TEST_F(Metrics, ADivergedLossIsStillJson) {
  StepMetrics m = at_step(1);
  m.loss = std::nan("");
  const ConfigNode line = parse_json(json_line(m).text(), "line");
  EXPECT_TRUE(line.find("loss")->is_null());
}

TEST_F(Metrics, RewindDropsWhatLiesBehindTheCheckpoint) {
  MetricsFile file(path_);
  for (std::int64_t step = 1; step <= 5; ++step) file.write(json_line(at_step(step)));
  std::ofstream(path_, std::ios::app) << R"({"event": "step", "st)";  // killed while writing
  file.rewind(3);
  file.write(json_line(at_step(4)));
  std::string expected;
  for (std::int64_t step = 1; step <= 4; ++step) expected += json_line(at_step(step)).text() + "\n";
  EXPECT_EQ(read_file(path_), expected);
}

// The checkpoint of a stage's last step is saved before
// the model grows, so a growth at its step is repeated.
TEST_F(Metrics, RewindDropsAGrowthAtTheCheckpoint) {
  MetricsFile file(path_);
  const auto growth = [](std::int64_t step) {
    return JsonObject().add("event", std::string("growth")).add("step", step);
  };
  file.write(growth(2));
  file.write(json_line(at_step(3)));
  const std::string kept = read_file(path_);
  file.write(growth(3));
  file.rewind(3);
  EXPECT_EQ(read_file(path_), kept);
}

TEST_F(Metrics, RewindOfNothing) {
  MetricsFile(path_).rewind(3);
  EXPECT_FALSE(file_exists(path_));
}

TEST_F(Metrics, RewindNamesADamagedLine) {
  std::ofstream(path_) << R"({"step": 1})"
                       << "\n"
                       << R"({"loss": 1})"
                       << "\n";
  try {
    MetricsFile(path_).rewind(3);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::data);
    EXPECT_NE(std::string(error.what()).find("metrics.jsonl:2: a line of metrics without a step"),
              std::string::npos)
        << error.what();
  }
}

TEST_F(Metrics, ProgressLine) {
  Progress p;
  p.stage = "lines";
  p.stage_number = 2;
  p.stages = 4;
  p.step = 1234;
  p.steps = 2000;
  p.flops_done = 62;
  p.flops_total = 100;
  p.flops_since_start = 19;  // half of what is left, in 36 s
  p.seconds_since_start = 36;
  p.loss = 1.7134;
  p.rate = 3.1e-3;
  p.tokens_per_sec = 21432;
  EXPECT_EQ(progress_line(p),
            "lines 2/4 | step 1234/2000 | 62 % | loss 1.713 | lr 3.1e-03 | 21.4k tokens/s | "
            "1m12s left");
  p.flops_since_start = p.seconds_since_start = 0;  // no rate yet
  EXPECT_NE(progress_line(p).find("| ? left"), std::string::npos);
}

TEST_F(Metrics, ShortTexts) {
  EXPECT_EQ(duration_text(0.4), "0s");
  EXPECT_EQ(duration_text(59.4), "59s");
  EXPECT_EQ(duration_text(185), "3m05s");
  EXPECT_EQ(duration_text(7625), "2h07m");
  EXPECT_EQ(duration_text(std::nan("")), "?");
  EXPECT_EQ(rate_text(950), "950");
  EXPECT_EQ(rate_text(21432), "21.4k");
  EXPECT_EQ(rate_text(3.2e6), "3.20M");
}

}  // namespace
}  // namespace ortho
