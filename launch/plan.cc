#include "launch/plan.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "core/error.h"
#include "core/file.h"
#include "dataio/loader.h"
#include "dataio/manifest.h"
#include "launch/commands.h"
#include "launch/machine_file.h"
#include "launch/probe_job.h"
#include "launch/rate.h"
#include "launch/run_file.h"
#include "trainer/run_meshes.h"
#include "trainer/stage_data.h"

namespace ortho {
namespace {

constexpr std::int64_t kAssumedSymbols = 256;
constexpr int kMostAdvised = 1 << 14;  // ranks
constexpr double kMeasureSec = 0.3;    // of one stage

bool is_packed(const std::string& path) {
  std::error_code code;
  return std::filesystem::is_regular_file(path, code) || file_exists(manifest_path(path));
}

// The first data set that is not there, or "".
std::string first_missing(const RunConfig& config) {
  for (const StageConfig& stage : config.stages)
    for (const std::string& path : stage.data.train)
      if (!is_packed(path)) return path;
  return "";
}

std::int64_t file_bytes(const std::string& path) {
  std::error_code code;
  const auto bytes = std::filesystem::file_size(path, code);
  return code ? 0 : static_cast<std::int64_t>(bytes);
}

std::int64_t shard_bytes(const std::string& path) {
  if (!file_exists(manifest_path(path))) return file_bytes(path);
  std::int64_t bytes = 0;
  for (const ManifestShard& shard : read_manifest(path).shards)
    bytes += static_cast<std::int64_t>(shard.bytes);
  return bytes;
}

// A cache for each objective's training data and one for the held-out split: for each objective
// never more than the shards themselves.
std::int64_t cache_bytes(const StageConfig& stage, bool packed) {
  const auto objectives = static_cast<std::int64_t>(objectives_of(stage.objective).size());
  const std::int64_t most = (objectives + 1) * static_cast<std::int64_t>(kUnitCacheBytes);
  if (!packed) return most;
  std::int64_t bytes = 0;
  for (const std::string& path : stage.data.train) bytes += shard_bytes(path);
  return std::min(objectives * bytes, most);
}

// Opens the stage's data as train does, with train's complaints.
void look_at(const Stage& stage, const Vocabulary& vocabulary, int replicas, DataFacts& facts) {
  facts.samples.push_back(0);
  facts.skipped.push_back(0);
  const Dataset train(stage.config.data.train, Split::train);
  for (const Objective objective : objectives_of(stage.config.objective)) {
    LoaderOptions options = loader_options(stage, objective, 0, 0, replicas);
    options.prefetch = false;
    const Loader loader(train, vocabulary, options);
    facts.samples.back() = std::max(facts.samples.back(), loader.samples());
    facts.skipped.back() += loader.skipped();
  }
}

std::string machine_name(const PlanOptions& options) {
  return options.machine.empty() ? "`machine` of the run file" : options.machine;
}

// cost_of_run; where the described ranks have too little memory, the message says how many would do.
RunCost cost_or_advice(const RunConfig& config, std::int64_t symbols, int ranks) {
  try {
    return cost_of_run(config, symbols, ranks);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::usage || config.machine.memory == 0) throw;
    for (int more = 2 * ranks; more <= kMostAdvised; more *= 2) {
      try {
        cost_of_run(config, symbols, more);
      } catch (const Error&) {
        continue;
      }
      fail(ErrorKind::usage, text(error.reason(), ". ", grouped(more), " ranks would do"));
    }
    throw;
  }
}

// Error(usage) naming each stage that --fail-over refuses.
void check_memory(const PlanOptions& options, const RunCost& cost) {
  if (options.fail_over == 0) return;
  std::string over;
  for (size_t i = 0; i < cost.stages.size(); ++i) {
    const std::int64_t bytes =
        std::max(cost.stages[i].rank.bytes.total(), cost.stages[i].growing_bytes);
    if (bytes > options.fail_over)
      over += text(over.empty() ? "" : "; ", "stage ", cost.plan.stages[i].config.name, " needs ",
                   grouped(bytes), " bytes a rank");
  }
  if (!over.empty())
    fail(ErrorKind::usage, text(over, ", --fail-over allows ", grouped(options.fail_over),
                                ". More ranks, a smaller batch, or cut token axes (mesh) help"));
}

// The rates of a described machine, or what was measured on it.
RateFacts rate_of_machine(const MachineFile& machine, const RunCost& cost, int ranks) {
  RateFacts facts;
  size_t measured = 0;
  for (size_t i = 0; i < cost.stages.size(); ++i) {
    const int at_work = ranks_of_stage(cost.plan.stages[i].config, ranks);
    const auto rate = rate_of(machine, cost.plan.stages[i], at_work);
    measured += rate ? 1 : 0;
    facts.rates.push_back(rate ? *rate : described_rate(cost.stages[i], at_work));
  }
  facts.from = measured == cost.stages.size()
                   ? "measured on each stage, all ranks at once"
                   : text(measured == 0 ? "" : text("measured on ", measured, " stages; else "),
                          "by the machine's FLOP/s and, where a step touches more memory than it "
                          "allows, its bandwidth");
  return facts;
}

RateFacts find_rate(const PlanOptions& options, const MachineFile& machine, const RunConfig& config,
                    const RunCost& cost) {
  if (options.gflops == 0 && machine.machine != Machine{}) {
    RateFacts facts = rate_of_machine(machine, cost, static_cast<int>(options.ranks));
    facts.from += options.probe ? " here" : text("; ", machine_name(options));
    return facts;
  }
  RateFacts facts;
  if (options.gflops > 0) {
    facts.from = "given by --gflops; the optimizer's own time is not counted";
    facts.rates.assign(cost.stages.size(), Rate{options.gflops * 1e9, 0});
    return facts;
  }
  facts.from = text("measured here on one block and the ends of each stage, ", config.threads,
                    config.threads == 1 ? " thread" : " threads",
                    " in one process; every rank is taken to be as fast");
  for (size_t i = 0; i < cost.stages.size(); ++i)
    facts.rates.push_back(measure_rate(cost.stages[i], cost.plan.stages[i].config.model,
                                       config.optimizer, config.threads, kMeasureSec));
  return facts;
}

}  // namespace

DataFacts find_data(const RunConfig& config, std::int64_t symbols_given, int ranks) {
  DataFacts facts;
  const std::string missing = first_missing(config);
  facts.packed = missing.empty();
  for (const StageConfig& stage : config.stages)
    facts.cache_bytes.push_back(cache_bytes(stage, facts.packed));
  if (!facts.packed) {
    facts.symbols = symbols_given > 0 ? symbols_given : kAssumedSymbols;
    facts.symbols_from = text(symbols_given > 0 ? "given by --symbols" : "assumed", "; ", missing,
                              " is not packed yet");
    return facts;
  }
  const Vocabulary vocabulary = run_vocabulary(config);
  facts.symbols = vocabulary.size();
  facts.symbols_from = "in use in the data sets";
  if (symbols_given > 0) facts.symbols_from += text("; --symbols ", symbols_given, " is not used");
  const RunPlan plan = plan_run(config, facts.symbols);
  for (const Stage& stage : plan.stages)
    look_at(stage, vocabulary,
            choose_mesh(stage, config, ranks_of_stage(stage.config, ranks)).best().cuts.batch,
            facts);
  return facts;
}

int run_plan(const PlanOptions& options) {
  RunConfig config = read_run_file(options.config, options.settings);
  PlanFacts facts;
  facts.config = options.config;
  facts.ranks = static_cast<int>(options.ranks);
  MachineFile machine{config.machine, {}};
  if (!options.machine.empty()) machine = read_machine_file(options.machine);
  if (options.probe)
    machine = probe_here(options.config, options.settings, options.symbols, facts.ranks);
  config.machine = machine.machine;
  facts.data = find_data(config, options.symbols, facts.ranks);
  const RunCost cost = cost_or_advice(config, facts.data.symbols, facts.ranks);
  facts.rate = find_rate(options, machine, config, cost);
  facts.optimizer = config.optimizer;
  std::fputs(plan_text(facts, cost).c_str(), stdout);
  check_memory(options, cost);
  return 0;
}

}  // namespace ortho
