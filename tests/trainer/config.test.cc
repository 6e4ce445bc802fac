#include "trainer/config.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "launch/yaml.h"
#include "tests/support/errors.h"

namespace ortho {
namespace {

constexpr const char* kSample = R"(
seed: 7
out: runs/quickstart
threads: 2
deterministic: true
data: {train: [corpus/fortunes, corpus/stamps], padding: end, audio_bits: 16, held_out: test}
objective: {next_token: 1.0}
loss: {pixel: 0.25, ends: false}
batch: {tokens: 768}
model: {channels: 96, hidden: 80, norm: layer, activation: gelu, places: {row: 28}, items: 3}
stages:
  - {name: words, tokens: [2, 2], blocks: 1, until: {steps: 400}}
  - name: lines
    tokens: [2, 2, 2]
    blocks: 2
    places: {column: 28}
    until: {steps: 1600, loss_plateau: {over: 200, less_than: 0.005}}
  - {name: more, channels: 128, batch: {windows: 3}, data: {padding: random}, until: {flops: 2e12}}
optimizer: {lr: 2e-3, decay: linear, rewarm: 20}
mesh: {batch: 2, tokens: [1, 2], ranks_per_node: 2, memory: 1000}
)";

RunConfig parse(const std::string& source) { return parse_config(parse_yaml(source, "run.yaml")); }

std::string refusal(const std::string& source) {
  return message_of([&] { parse(source); }, ErrorKind::usage);
}

// A run that is good but for `change`, which is put at the top level.
std::string minimal(const std::string& change, const std::string& stage = "") {
  return "data: {train: a}\n" + change + "\nstages: [{until: {steps: 5}" + stage + "}]\n";
}

TEST(Config, ReadsTheTopLevel) {
  const RunConfig c = parse(kSample);
  EXPECT_EQ(c.seed, 7);
  EXPECT_EQ(c.out, "runs/quickstart");
  EXPECT_EQ(c.threads, 2);
  EXPECT_TRUE(c.deterministic);
  EXPECT_FALSE(parse(minimal("")).deterministic);
  EXPECT_EQ(c.data.train, (std::vector<std::string>{"corpus/fortunes", "corpus/stamps"}));
  EXPECT_EQ(c.data.held_out, Split::test);
  EXPECT_EQ(c.optimizer.lr, 2e-3);
  EXPECT_EQ(c.optimizer.decay, OptimizerConfig::Decay::linear);
  EXPECT_EQ(c.optimizer.beta2, 0.99);  // the default stays
  EXPECT_EQ(c.mesh, (MeshConfig{2, {1, 2}, 1}));
  EXPECT_EQ(c.ranks, (RanksConfig{2, 1000}));
}

TEST(Config, MeshesAreInheritedAndReplacedWhole) {
  const auto meshes = [](const std::string& top, const std::string& second) {
    const RunConfig c = parse("data: {train: a}\n" + top + "\nstages: [{until: {steps: 5}}, " +
                              "{until: {steps: 5}" + second + "}, {until: {steps: 5}}]");
    EXPECT_EQ(c.stages[0].mesh, c.mesh);
    EXPECT_EQ(c.stages[2].mesh, c.stages[1].mesh);
    return std::pair(c.mesh, c.stages[1].mesh);
  };
  const MeshConfig automatic, both{2, {2, 1}, 1};
  const std::string top = "mesh: {batch: 2, tokens: [2, 1]}";
  EXPECT_EQ(meshes("", ""), std::pair(automatic, automatic));
  EXPECT_EQ(meshes(top, ""), std::pair(both, both));
  EXPECT_EQ(meshes(top, ", mesh: auto"), std::pair(both, automatic));
  EXPECT_EQ(meshes(top, ", mesh: {channels: 4}"), std::pair(both, MeshConfig{0, {}, 4}));
  EXPECT_EQ(meshes("mesh: {ranks_per_node: 2}", ""), std::pair(automatic, automatic));
  expect_in("unknown field stages.0.mesh.memory",  // of the whole run
            refusal(minimal("", ", mesh: {memory: 5}")));
  expect_in("mesh.channels is '0'", refusal(minimal("mesh: {channels: 0}")));
  expect_in("mesh.tokens", refusal(minimal("mesh: {tokens: [2, 0]}")));
}

TEST(Config, AStageInheritsWhatItDoesNotName) {
  const RunConfig c = parse(kSample);
  ASSERT_EQ(c.stages.size(), 3u);
  const StageConfig &words = c.stages[0], &lines = c.stages[1], &more = c.stages[2];
  EXPECT_EQ(words.model.channels, 96);  // from the top level
  EXPECT_EQ(words.model.norm, Norm::layer);
  EXPECT_EQ(words.model.blocks, 1);
  EXPECT_EQ(words.data.padding, Padding::end);
  EXPECT_EQ(words.loss.pixel, 0.25);
  EXPECT_EQ(lines.model.tokens, (Shape{2, 2, 2}));
  EXPECT_EQ(lines.model.places, (Places{.row = 28, .column = 28}));
  EXPECT_EQ(lines.until.loss_plateau, (PlateauConfig{200, 0.005}));
  EXPECT_EQ(more.name, "more");
  EXPECT_EQ(more.model.tokens, (Shape{2, 2, 2}));  // from the stage before
  EXPECT_EQ(more.model.blocks, 2);
  EXPECT_EQ(more.model.channels, 128);
  EXPECT_EQ(more.model.places.column, 28);
  EXPECT_EQ(more.data.padding, Padding::random);
  EXPECT_EQ(more.data.train.size(), 2u);
}

TEST(Config, NamedGroupsReplaceAndUntilIsNeverInherited) {
  const RunConfig c = parse(kSample);
  EXPECT_EQ(c.stages[1].batch, (BatchConfig{0, 768}));
  EXPECT_EQ(c.stages[2].batch, (BatchConfig{3, 0}));
  EXPECT_EQ(c.stages[2].until, (UntilConfig{0, 2e12, {}}));
  EXPECT_EQ(parse(minimal("objective: {one_shot: 2}\none_shot: {output: text}")).objective,
            (ObjectiveConfig{0, 2}));
}

TEST(Config, StagesMayStandBeforeWhatTheyInherit) {
  const RunConfig c =
      parse("stages: [{until: {steps: 5}}]\nmodel: {channels: 64}\ndata: {train: a}");
  EXPECT_EQ(c.stages[0].model.channels, 64);
}

TEST(Config, EveryModelFieldCanBeSet) {
  const RunConfig c = parse(minimal(R"(model:
  {tokens: [3, 5], channels: 6, hidden: 8, blocks: 3, refeeds: 4, map: dense, weights: by_position,
   wiring: grid_causal, combine: single, sequence: ascending, single_axis: 1, channel_axis: false,
   in: false, out: false, gate: false, norm: none, residual: false, activation: sort2, active: 0.75,
   dropout: 0.5, width: 10, modalities: [audio, pixel], places: {text: 1, row: 2, column: 3,
   frame: 4, audio: 5}, items: 6, modality_table: false, modality_head: true,
   place_heads: true, item_head: true}
loss: {ends: false})"));
  ModelSpec expected{.tokens = {3, 5},
                     .channels = 6,
                     .hidden = 8,
                     .blocks = 3,
                     .refeeds = 4,
                     .map = MapKind::dense,
                     .maps = {},
                     .sets = {},
                     .weights = Weights::by_position,
                     .wiring = Wiring::grid_causal,
                     .combine = Combine::single,
                     .sequence = Sequence::ascending,
                     .single_axis = 1,
                     .channel_axis = false,
                     .in = false,
                     .out = false,
                     .gate = false,
                     .norm = Norm::none,
                     .residual = false,
                     .activation = Activation::sort2,
                     .active = 0.75,
                     .dropout = 0.5,
                     .width = 10,
                     .modalities = {Modality::audio, Modality::pixel},
                     .text_symbols = 0,
                     .audio_levels = 256,
                     .places = {1, 2, 3, 4, 5},
                     .items = 6,
                     .modality_table = false,
                     .modality_head = true,
                     .place_heads = true,
                     .item_head = true};
  EXPECT_EQ(c.model, expected);
  EXPECT_EQ(c.stages[0].model, expected);
}

// Columns under the token axes, which a stage with another axis gives anew.
TEST(Config, MapsAndSetsOfTheAxes) {
  const RunConfig c = parse(R"(data: {train: a}
model:
  {tokens: [2, 4, 4], maps: [attention, joint, joint], sets: [1, 2, 2], heads: 4}
stages:
  - {until: {steps: 5}}
  - {tokens: [2, 2, 4, 4], maps: [joint, attention, joint, joint], sets: [9, 1, 2, 2],
     until: {steps: 5}})");
  using enum MapKind;
  EXPECT_EQ(c.stages[0].model.maps, (std::vector{attention, joint, joint}));
  EXPECT_EQ(c.stages[0].model.heads, 4);
  EXPECT_EQ(c.stages[1].model.maps, (std::vector{joint, attention, joint, joint}));
  EXPECT_EQ(c.stages[1].model.sets, (std::vector<std::int64_t>{9, 1, 2, 2}));
  EXPECT_EQ(parse(config_text(c)), c);
  EXPECT_EQ(parse(minimal("model: {map: attention}")).model.map, attention);
  expect_in("one of [joint, attention]", refusal(minimal("model: {maps: [dense]}")));
}

TEST(Config, SwitchesAreResolvedOnceForTheRun) {
  const auto switches = [](const std::string& source) {
    const RunConfig c = parse(source);
    for (const auto& stage : c.stages) {  // growth never turns them
      EXPECT_EQ(stage.model.modality_table, c.model.modality_table);
      EXPECT_EQ(stage.model.modality_head, c.model.modality_head);
    }
    return std::pair(c.model.modality_table, c.model.modality_head);
  };
  const std::string no_ends = "loss: {ends: false}";
  EXPECT_EQ(switches(minimal(no_ends)), std::pair(false, false));
  EXPECT_EQ(switches(minimal("")), std::pair(false, true));  // ends are scored
  EXPECT_EQ(
      switches("data: {train: a}\n" + no_ends +
               "\nstages: [{until: {steps: 5}}, {modalities: [text, pixel], until: {steps: 5}}]"),
      std::pair(true, true));
  EXPECT_EQ(switches(minimal(no_ends + "\nmodel: {modality_table: true}")), std::pair(true, false));
}

TEST(Config, AudioLevelsFollowTheBits) {
  EXPECT_EQ(parse(kSample).stages[0].model.audio_levels, 65536);
  EXPECT_EQ(parse(minimal("")).stages[0].model.audio_levels, 256);
}

TEST(Config, DefaultsThatNeedEachOther) {
  const RunConfig c = parse(minimal(""));
  EXPECT_EQ(c.batch, (BatchConfig{12, 0}));
  EXPECT_EQ(c.stages[0].batch, (BatchConfig{12, 0}));
  EXPECT_EQ(c.stages[0].name, "stage1");
  EXPECT_EQ(parse(minimal("mesh: auto")).mesh, MeshConfig());
}

TEST(Config, PrintedConfigParsesBackToTheSame) {
  for (const std::string& source :
       {std::string(kSample), minimal(""), minimal("out: 'true: #1'")}) {
    const RunConfig c = parse(source);
    const std::string printed = config_text(c);
    EXPECT_EQ(parse(printed), c) << printed;
    EXPECT_EQ(config_text(parse(printed)), printed);
  }
}

TEST(Config, EveryMistakeOfAFileAtOnce) {
  const std::string m = refusal(R"(sede: 1
data: {train: a}
model: {chanels: 3}
stages:
  - {until: {steps: 5}, block: 2}
  - {until: {steps: 5}, wiring: grid}
optimizer:
  lr: -1
  lr: 2
)");
  expect_in("6 mistakes", m);
  expect_in("run.yaml:1: unknown field sede; did you mean seed?", m);
  expect_in("run.yaml:3: unknown field model.chanels; did you mean channels?", m);
  expect_in("run.yaml:5: unknown field stages.0.block; did you mean blocks?", m);
  expect_in("run.yaml:6: unknown field stages.1.wiring", m);  // no growth changes the wiring
  expect_in("run.yaml:9: field optimizer.lr is given twice", m);
  expect_in("run.yaml:8: optimizer.lr is '-1', but must be a number x with 0 < x <= 100", m);
}

TEST(Config, RefusesWhatNoSingleFieldCanTell) {
  expect_in("the run has no stages", refusal("data: {train: a}"));
  expect_in("data.train names no packed data set", refusal("stages: [{until: {steps: 5}}]"));
  expect_in("stages.0 (stage1).until needs steps or flops",
            refusal("data: {train: a}\nstages: [{}]"));
  expect_in("until needs steps or flops, and not both",
            refusal("data: {train: a}\nstages: [{until: {steps: 5, flops: 1e9}}]"));
  expect_in(
      "loss_plateau needs over",
      refusal("data: {train: a}\nstages: [{until: {steps: 5, loss_plateau: {less_than: 1}}}]"));
  expect_in("two stages are named 'a'", refusal("data: {train: a}\nstages: [{name: a, until: "
                                                "{steps: 5}}, {name: a, until: {steps: 5}}]"));
  expect_in("batch needs windows or tokens, and not both: windows 2, tokens 64",
            refusal(minimal("batch: {windows: 2, tokens: 64}")));
  expect_in(".batch.tokens 7 is less than one window of 8 tokens",
            refusal(minimal("batch: {tokens: 7}", ", tokens: [2, 4]")));
  expect_in("must be 8 or 16", refusal(minimal("", ", data: {audio_bits: 9}")));
  expect_in("audio table cannot change", refusal("data: {train: a}\nstages: [{until: {steps: 5}}, "
                                                 "{data: {audio_bits: 16}, until: {steps: 5}}]"));
  expect_in("give next_token, one_shot or diffusion a weight", refusal(minimal("objective: {}")));
  expect_in("model.wiring: mirrored would see the token it predicts",
            refusal(minimal("model: {wiring: mirrored, tokens: [4]}")));
  expect_in("the mark of a hidden token is a row of that table",
            refusal(minimal("objective: {diffusion: 1}\nmodel: {modality_table: false}")));
  expect_in("would see the token it predicts",
            refusal(minimal("model: {wiring: grid, tokens: [4]}")));
  EXPECT_NO_THROW(parse(minimal("model: {wiring: grid}")));  // one token looks nowhere
  expect_in("one_shot.output is pixel, which is not among its modalities",
            refusal(minimal("objective: {one_shot: 1}\none_shot: {output: pixel}")));
  expect_in("modalities must name at least one modality, and each once",
            refusal(minimal("model: {modalities: [text, text]}")));
  expect_in("modality_head: false cannot go with loss.ends: true",
            refusal(minimal("model: {modality_head: false}")));
  expect_in("modality_head: false cannot go with 2 modalities",
            refusal(minimal(
                "loss: {ends: false}\nmodel: {modality_head: false, modalities: [text, audio]}")));
}

TEST(Config, AbsurdShapesAreErrorsNotWrappedNumbers) {
  expect_in("size overflow", refusal(minimal("batch: {tokens: 1}",
                                             ", tokens: [4000000000, 4000000000, 4000000000]")));
}

TEST(Config, HelpNamesEveryField) {
  const std::string help = config_help();
  expect_in("optimizer.lr = 0.004  (number, 0 < x <= 100)", help);
  expect_in("stages.N.tokens = []", help);
  expect_in("stages.N.mesh.tokens = []", help);
  expect_in("mesh.ranks_per_node = 0", help);
  expect_in("model.modality_head = auto  (auto | true | false)", help);
}

}  // namespace
}  // namespace ortho
