// What no single field can tell: checks of the whole, and what is `auto`.
#include "trainer/config.h"

#include <set>
#include <utility>

#include "core/error.h"
#include "trainer/objectives.h"

namespace ortho {
namespace {

std::int64_t tokens_of(const StageConfig& stage) { return elements(stage.model.tokens); }

void check_until(const UntilConfig& until, const std::string& where) {
  REQUIRE((until.steps > 0) != (until.flops > 0), where,
          ".until needs steps or flops, and not both: steps ", until.steps, ", flops ", until.flops,
          ". A plateau may end the stage sooner, but the schedule needs a planned length.");
  REQUIRE(until.loss_plateau.over > 0 || until.loss_plateau.less_than == 0, where,
          ".until.loss_plateau needs over: the number of steps to compare");
}

void check_objective(const StageConfig& stage, const std::string& where) {
  const auto& objective = stage.objective;
  REQUIRE(!objectives_of(objective).empty(), where,
          ".objective: give next_token, one_shot or diffusion a weight above 0");
  const Wiring wiring = stage.model.wiring;
  const bool both_ways = wiring == Wiring::grid || wiring == Wiring::mirrored;
  REQUIRE(
      objective.next_token == 0 || !both_ways || tokens_of(stage) == 1, where,
      ": objective next_token with model.wiring: ", wiring == Wiring::grid ? "grid" : "mirrored",
      " would see the token it predicts; use wiring: causal");
  constexpr std::pair<OneShotConfig::Output, Modality> kNeeds[] = {
      {OneShotConfig::Output::text, Modality::text},
      {OneShotConfig::Output::pixel, Modality::pixel},
      {OneShotConfig::Output::audio, Modality::audio}};
  for (const auto& [output, modality] : kNeeds)
    REQUIRE(objective.one_shot == 0 || stage.one_shot.output != output ||
                has_modality(stage.model, modality),
            where, ".one_shot.output is ", modality_name(modality),
            ", which is not among its modalities");
}

void check_stage(const StageConfig& stage, const StageConfig& first, const std::string& where) {
  check_until(stage.until, where);
  check_objective(stage, where);
  REQUIRE((stage.train.choose == TrainConfig::Choose::listed) == !stage.train.list.empty(), where,
          ".train: list goes with choose: listed, and the other way round");
  REQUIRE(!stage.data.train.empty(), where, ": data.train names no packed data set");
  REQUIRE(stage.data.audio_bits == 8 || stage.data.audio_bits == 16, where, ".data.audio_bits is ",
          stage.data.audio_bits, ", but must be 8 or 16");
  REQUIRE(stage.data.audio_bits == first.data.audio_bits, where, ".data.audio_bits ",
          stage.data.audio_bits, " differs from the first stage's ", first.data.audio_bits,
          ": the audio table cannot change within a run");
  const std::set<Modality> distinct(stage.model.modalities.begin(), stage.model.modalities.end());
  REQUIRE(!distinct.empty() && distinct.size() == stage.model.modalities.size(), where,
          ".modalities must name at least one modality, and each once");
  const BatchConfig& batch = stage.batch;
  REQUIRE((batch.windows > 0) != (batch.tokens > 0), where,
          ".batch needs windows or tokens, and not both: windows ", batch.windows, ", tokens ",
          batch.tokens);
  REQUIRE(batch.windows > 0 || batch.tokens >= tokens_of(stage), where, ".batch.tokens ",
          batch.tokens, " is less than one window of ", tokens_of(stage), " tokens");
}

void resolve_switches(RunConfig& config) {
  std::set<Modality> modalities;
  bool ends = false, hides = false;
  for (const auto& stage : config.stages) {
    const ObjectiveConfig& objective = stage.objective;
    modalities.insert(stage.model.modalities.begin(), stage.model.modalities.end());
    // Diffusion alone hides tokens and never an end.
    ends |= stage.loss.ends && (objective.next_token > 0 || objective.one_shot > 0);
    hides |= objective.diffusion > 0;
  }
  const bool several = modalities.size() > 1;
  const auto resolve = [](Switch& choice, bool automatic) {
    if (choice == Switch::automatic) choice = automatic ? Switch::on : Switch::off;
    return choice == Switch::on;
  };
  const bool table = resolve(config.modality_table, several || hides);
  const bool head = resolve(config.modality_head, several || ends);
  REQUIRE(head || !several, "model.modality_head: false cannot go with ", modalities.size(),
          " modalities: the head says which comes next; use auto");
  REQUIRE(table || !hides,
          "model.modality_table: false cannot go with objective diffusion: the mark of a hidden "
          "token is a row of that table; use auto");
  REQUIRE(head || !ends,
          "model.modality_head: false cannot go with loss.ends: true: the head predicts the end; "
          "use auto, or loss.ends: false");
  const auto apply = [&](ModelSpec& spec) {
    spec.modality_table = table;
    spec.modality_head = head;
  };
  apply(config.model);
  for (auto& stage : config.stages) apply(stage.model);
}

void resolve_sizes(BatchConfig& batch, ModelSpec& spec, const DataConfig& data) {
  if (batch.windows == 0 && batch.tokens == 0) batch.windows = 12;
  spec.audio_levels = data.audio_bits == 8 ? 256 : 65536;
}

void resolve(RunConfig& config) {
  REQUIRE(!config.stages.empty(),
          "the run has no stages; give at least one: stages: [{name: all, until: {steps: 1000}}]");
  resolve_sizes(config.batch, config.model, config.data);
  std::set<std::string> names;
  for (size_t i = 0; i < config.stages.size(); ++i) {
    StageConfig& stage = config.stages[i];
    if (stage.name.empty()) stage.name = text("stage", i + 1);
    REQUIRE(names.insert(stage.name).second, "two stages are named '", stage.name, '\'');
    resolve_sizes(stage.batch, stage.model, stage.data);
    check_stage(stage, config.stages.front(), text("stages.", i, " (", stage.name, ")"));
  }
  resolve_switches(config);
}

}  // namespace

RunConfig parse_config(const ConfigNode& root) {
  RunConfig config;
  read_fields(fields(config), root);
  resolve(config);
  return config;
}

}  // namespace ortho
