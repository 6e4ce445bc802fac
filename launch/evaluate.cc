#include "trainer/evaluate.h"

#include <cstdio>
#include <memory>

#include "comm/mpi.h"
#include "core/error.h"
#include "dataio/pack.h"
#include "launch/commands.h"
#include "launch/open_run.h"
#include "trainer/score.h"
#include "trainer/stage_data.h"

namespace ortho {
namespace {

constexpr std::int64_t kWindowNodes = std::int64_t{1} << 21;  // nodes of all windows scored at once

// Windows of all ranks: as many as keep the activations small, whatever the context and the number
// of ranks, so that a limit means the same windows on any.
std::int64_t windows_at_once(const ModelSpec& spec, int ranks) {
  const auto all = std::clamp<std::int64_t>(kWindowNodes / (context(spec) * spec.channels), 1, 256);
  return count_windows(all, ranks) * ranks;
}

Split split_of(const EvaluateOptions& options, const OpenRun& run) {
  return options.split.empty() ? run.stage.config.data.held_out : split_from_name(options.split);
}

void print_loss(Objective objective, const TermSums& sums) {
  const bool bound = objective == Objective::diffusion;
  for (size_t i = 0; i < kTerms; ++i) {
    if (sums.targets[i] == 0) continue;
    const auto term = static_cast<Term>(i);
    const double targets = static_cast<double>(sums.targets[i]),
                 symbols = term == Term::pixel ? 3 * targets : targets;
    std::printf("%-9s %.4f nats a token%s, %.1f %% right, %lld tokens%s\n", term_name(term).c_str(),
                sums.mean(term), bound ? " at most" : "",
                100.0 * static_cast<double>(sums.hits[i]) / symbols,
                static_cast<long long>(sums.targets[i]), bound ? " hidden" : "");
  }
}

void print_score(const EvaluateOptions::Score& score, const PairScore& pairs, bool judged) {
  const auto share = [](std::int64_t part, std::int64_t all) {
    return 100.0 * static_cast<double>(part) / static_cast<double>(std::max<std::int64_t>(all, 1));
  };
  std::printf("%s -> %s: exact %.2f %% of %lld, symbols %.2f %%, shuffled pairs %.2f %%",
              modality_name(score.from).c_str(), modality_name(score.to).c_str(),
              share(pairs.exact, pairs.records), static_cast<long long>(pairs.records),
              share(pairs.right_symbols, pairs.symbols),
              share(pairs.exact_shuffled, pairs.records));
  if (judged)
    std::printf("; judged %.2f %%, shuffled pairs %.2f %%", share(pairs.judged, pairs.records),
                share(pairs.judged_shuffled, pairs.records));
  std::putchar('\n');
}

// The judge's run, with as many windows as the model that it judges.
struct OpenJudge {
  OpenJudge(Channel& world, const std::string& path, const Sharding& judged,
            Backend<float>& backend)
      : run(open_run(world, path, [&](const ModelSpec&, int) { return judged.windows(); })),
        model(run.state->spec, run.state->sharding, run.state->params, backend, arena, &world),
        judge(model, run.state->vocabulary, run.stage) {}
  OpenRun run;
  Arena<float> arena;
  Model<float> model;
  Judge judge;
};

void score_all(Channel& world, const EvaluateOptions& options, OpenRun& run, Model<float>& model,
               const Dataset& records, Backend<float>& backend) {
  const auto bits = run.stage.config.data.audio_bits;
  const TokenRule tokens = {run.state->vocabulary, static_cast<int>(bits),
                            word_rule(answering_objective(run.stage.config.objective))};
  std::unique_ptr<OpenJudge> judge;
  if (!options.judge.empty()) {
    judge = std::make_unique<OpenJudge>(world, options.judge, run.state->sharding, backend);
    const auto judge_bits = judge->run.stage.config.data.audio_bits;
    REQUIRE(judge_bits == bits, "the judge hears audio of ", judge_bits,
            " bits, the model makes audio of ", bits);
  }
  for (const auto& score : options.scores) {
    const ScoreRule rule = {score.from, score.to, options.limit,
                            static_cast<std::uint64_t>(run.config.seed)};
    const PairScore pairs = score_pairs(world, model, records, tokens, run.stage, rule,
                                        judge ? &judge->judge : nullptr);
    if (world.rank() == 0) print_score(score, pairs, judge != nullptr);
  }
}

}  // namespace

int run_evaluate(const EvaluateOptions& options) {
  const MpiSession session;
  const auto world = make_world_channel();
  OpenRun run = open_run(*world, options.path, windows_at_once);
  const ModelSpec spec = with_refeeds(run.state->spec, options.passes.refeeds);
  const auto backend = make_cpu_backend<float>(static_cast<int>(run.config.threads));
  const auto paths = options.data.empty() ? run.stage.config.data.train : options.data;
  const Dataset records(paths, split_of(options, run));
  REQUIRE(records.records() > 0, "the split holds no records; choose another with --split");
  Arena<float> arena;
  const Sharding& sharding = run.state->sharding;
  Model<float> model(spec, sharding, run.state->params, *backend, arena, world.get());
  model.keep_active(options.active_nodes);
  model.settle_at(options.passes.settle);
  const bool speaks = world->rank() == 0;
  const auto objectives = objectives_of(run.stage.config.objective);
  for (const Objective objective : objectives) {
    if (!options.scores.empty()) break;
    LoaderOptions loader =
        loader_options(run.stage, objective, static_cast<std::uint64_t>(run.config.seed), sharding);
    loader.windows = sharding.windows();
    HeldOut windows(records, run.state->vocabulary, loader);
    const TermSums sums = evaluate_split(*world, model, windows, options.limit);
    if (speaks && objectives.size() > 1) std::printf("%s:\n", objective_name(objective).c_str());
    if (speaks) print_loss(objective, sums);
    if (speaks && options.passes.settle > 0)
      std::printf("passes    %lld of %lld in the last batch\n",
                  static_cast<long long>(model.passes()), static_cast<long long>(spec.refeeds));
  }
  score_all(*world, options, run, model, records, *backend);
  return 0;
}

}  // namespace ortho
