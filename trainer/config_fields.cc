// Every field of a run file, once: name, limits, unit, help. See trainer/config.h.
#include <utility>

#include "trainer/config.h"

namespace ortho {
namespace {

constexpr Choice<Padding> kPaddings[] = {
    {"random", Padding::random}, {"end", Padding::end}, {"start", Padding::start}};
constexpr Choice<Split> kSplits[] = {
    {"train", Split::train}, {"valid", Split::valid}, {"test", Split::test}};
constexpr Choice<OneShotConfig::Output> kOutputs[] = {{"last", OneShotConfig::Output::last},
                                                      {"text", OneShotConfig::Output::text},
                                                      {"pixel", OneShotConfig::Output::pixel},
                                                      {"audio", OneShotConfig::Output::audio}};
constexpr Choice<OptimizerConfig::Name> kOptimizers[] = {{"adamw", OptimizerConfig::Name::adamw},
                                                         {"sgd", OptimizerConfig::Name::sgd}};
constexpr Choice<OptimizerConfig::Decay> kDecays[] = {
    {"constant", OptimizerConfig::Decay::constant},
    {"linear", OptimizerConfig::Decay::linear},
    {"cosine", OptimizerConfig::Decay::cosine}};
constexpr Choice<BadStepConfig::Policy> kPolicies[] = {{"stop", BadStepConfig::Policy::stop},
                                                       {"skip", BadStepConfig::Policy::skip},
                                                       {"rewind", BadStepConfig::Policy::rewind}};
constexpr Choice<Switch> kSwitches[] = {
    {"auto", Switch::automatic}, {"true", Switch::on}, {"false", Switch::off}};
constexpr Choice<MapKind> kMaps[] = {
    {"joint", MapKind::joint}, {"attention", MapKind::attention}, {"dense", MapKind::dense}};
constexpr Choice<MapKind> kLineMaps[] = {{"joint", MapKind::joint},
                                         {"attention", MapKind::attention}};
constexpr Choice<Weights> kWeights[] = {{"shared", Weights::shared},
                                        {"separate", Weights::separate},
                                        {"by_position", Weights::by_position},
                                        {"per_channel", Weights::per_channel},
                                        {"tied", Weights::tied}};
constexpr Choice<Wiring> kWirings[] = {{"causal", Wiring::causal},
                                       {"grid", Wiring::grid},
                                       {"grid_causal", Wiring::grid_causal},
                                       {"mirrored", Wiring::mirrored}};
constexpr Choice<Combine> kCombines[] = {{"sequential", Combine::sequential},
                                         {"parallel", Combine::parallel},
                                         {"single", Combine::single}};
constexpr Choice<Sequence> kSequences[] = {{"descending", Sequence::descending},
                                           {"ascending", Sequence::ascending}};
constexpr Choice<Self> kSelves[] = {{"every", Self::every}, {"once", Self::once}};
constexpr Choice<Mask> kMasks[] = {{"magnitude", Mask::magnitude}, {"random", Mask::random}};
constexpr Choice<Norm> kNorms[] = {
    {"rms", Norm::rms}, {"layer", Norm::layer}, {"none", Norm::none}};
constexpr Choice<Activation> kActivations[] = {{"melu", Activation::melu},
                                               {"relu", Activation::relu},
                                               {"leaky_relu", Activation::leaky_relu},
                                               {"abs", Activation::abs},
                                               {"elu", Activation::elu},
                                               {"hard_tanh", Activation::hard_tanh},
                                               {"sort2", Activation::sort2},
                                               {"gelu", Activation::gelu},
                                               {"silu", Activation::silu},
                                               {"none", Activation::none}};
constexpr Choice<Modality> kModalityNames[] = {
    {"text", Modality::text}, {"pixel", Modality::pixel}, {"audio", Modality::audio}};

constexpr Limits kSize{1, 1 << 20};
constexpr Limits kBelowOne{0, 1, Limits::Open::hi};
constexpr Limits kWeight{0, 1e6};

Fields fields(DataConfig& c) {
  return Fields()
      .words("train", c.train, "packed data sets to train on, folders with a MANIFEST, read as one")
      .choice("padding", c.padding, kPaddings,
              "where a window's spare places go: by chance, behind the input (end), or before it "
              "(start)")
      .integer("audio_bits", c.audio_bits, {8, 16}, "bits", "8: 256 mu-law levels, 16: PCM")
      .integer("streams", c.streams, {1, 65536}, "streams",
               "equal streams the records are dealt to")
      .integer("window_blocks", c.window_blocks, {1, 65536}, "blocks", "blocks shuffled together")
      .choice("held_out", c.held_out, kSplits, "the split that evaluation scores");
}

Fields fields(ObjectiveConfig& c) {
  return Fields()
      .real("next_token", c.next_token, kWeight, "", "share of steps that predict each next token")
      .real("one_shot", c.one_shot, kWeight, "",
            "share of steps that predict an item from the others in one pass")
      .real("diffusion", c.diffusion, kWeight, "",
            "share of steps that hide random tokens and predict them from the rest");
}

Fields fields(OneShotConfig& c) {
  return Fields()
      .choice("output", c.output, kOutputs, "the item of a record to predict")
      .integer("slots", c.slots, kFromZero, "places",
               "places at the window's end for the answer; 0 = all that the input leaves");
}

Fields fields(LossConfig& c) {
  return Fields()
      .real("modality", c.modality, kWeight, "", "weight of the modality's cross-entropy")
      .real("text", c.text, kWeight, "", "weight of text symbols")
      .real("pixel", c.pixel, kWeight, "", "weight of pixels, R, G and B together")
      .real("audio", c.audio, kWeight, "", "weight of audio samples")
      .real("place", c.place, kWeight, "", "weight of the place heads together")
      .real("item", c.item, kWeight, "", "weight of the item head")
      .flag("ends", c.ends, "score the end of a record, which the modality head predicts");
}

Fields fields(BatchConfig& c) {
  return Fields()
      .integer("windows", c.windows, kFromZero, "windows",
               "windows a step over all ranks; 0 = by tokens")
      .integer("tokens", c.tokens, kFromZero, "tokens",
               "tokens a step instead: windows = tokens / T, rounded down");
}

Fields fields(MeshConfig& c) {
  constexpr Limits ranks{1, 1 << 20};
  return Fields()
      .integer("batch", c.batch, {0, ranks.hi}, "ranks",
               "ranks along the batch; 0 = 1, or chosen when no other axis is cut")
      .integers("tokens", c.tokens, ranks, "ranks",
                "ranks along each token axis, outermost first; missing ones are 1")
      .integer("channels", c.channels, ranks, "ranks", "ranks along the channels");
}

Fields fields(RanksConfig& c) {
  return Fields()
      .integer("ranks_per_node", c.ranks_per_node, {0, 1 << 20}, "ranks",
               "to rehearse a cluster on one machine; 0 = what the machine says")
      .integer("memory", c.memory, kFromZero, "bytes",
               "of one rank, that a chosen mesh must fit; 0 = no limit");
}

Fields fields(UntilConfig& c) {
  Fields plateau;
  plateau
      .integer("over", c.loss_plateau.over, kFromZero, "steps",
               "steps compared with as many before; 0 = never")
      .real("less_than", c.loss_plateau.less_than, kFromZero, "nats",
            "a smaller fall of the mean loss ends the stage");
  return Fields()
      .integer("steps", c.steps, kFromZero, "steps", "length of the stage; 0 = by flops")
      .real("flops", c.flops, {0, 1e30}, "FLOPs",
            "length in training FLOPs (6 x multiply-adds x tokens); 0 = by steps")
      .group("loss_plateau", plateau, "ends the stage sooner", [&c] { c.loss_plateau = {}; });
}

constexpr Choice<TrainConfig::Choose> kChooses[] = {{"random", TrainConfig::Choose::random},
                                                    {"newest", TrainConfig::Choose::newest},
                                                    {"listed", TrainConfig::Choose::listed}};

Fields fields(TrainConfig& c) {
  return Fields()
      .real("share", c.share, {0, 1, Limits::Open::lo}, "", "of the sublayers, updated in a step")
      .choice("choose", c.choose, kChooses, "anew each step by chance; the last; those of list")
      .words("list", c.list,
             "listed: sublayers, such as block.0.axis.1 (dense: block.0), and embed");
}

Fields fields(Places& c) {
  constexpr Limits rows{0, 1 << 24};
  return Fields()
      .integer("text", c.text, rows, "rows", "position table of text; 0 = none")
      .integer("row", c.row, rows, "rows", "table of pixel rows; 0 = none")
      .integer("column", c.column, rows, "rows", "table of pixel columns; 0 = none")
      .integer("frame", c.frame, rows, "rows", "table of video frames; 0 = none")
      .integer("audio", c.audio, rows, "rows", "position table of audio; 0 = none");
}

// What a stage may change: growth knows what to do with the difference.
Fields growing_fields(ModelSpec& c) {
  return Fields()
      .integers("tokens", c.tokens, {1, kNoLimit}, "tokens",
                "sizes of the token axes, outermost first; [] = one token")
      .choices("maps", c.maps, kLineMaps,
               "the map along each token axis, outermost first; [] = model.map along all")
      .integers("sets", c.sets, {0, 1 << 20}, "",
                "a number for each token axis, outermost first: axes of the same number share one "
                "sublayer, whose lines are the boxes they span; [] = each has its own")
      .integer("blocks", c.blocks, {1, 4096}, "blocks", "L, blocks in the stack")
      .integer("channels", c.channels, kSize, "channels", "C, width of the residual stream")
      .integer("hidden", c.hidden, {1, 1 << 22}, "channels", "E, width inside a block")
      .choice("weights", c.weights, kWeights, "which lines, channels or axes share a map's weights")
      .integer("heads", c.heads, kSize, "heads",
               "dense: groups of channels with weights of their own; attention: H")
      .integer("branches", c.branches, {1, 4096}, "sublayers",
               "sublayers side by side that read the same and add up")
      .integer("radius", c.radius, {0, kSize.hi}, "tokens",
               "a sliding window: how far a map reaches along an axis; 0 = all of it")
      .flag("bias", c.bias, "a bias after the map and after the way out")
      .integer("refeeds", c.refeeds, {1, 4096}, "passes",
               "R, passes through the stack with the same weights")
      .real("dropout", c.dropout, kBelowOne, "", "share of hidden units dropped in training")
      .real("density", c.density, {0, 1, Limits::Open::lo}, "",
            "share of the weights of the blocks' maps that are open; the others stay 0")
      .choice("mask", c.mask, kMasks,
              "which connections close when some must: the smallest, or any")
      .choices("modalities", c.modalities, kModalityNames, "what the model reads and predicts")
      .group("places", fields(c.places), "position tables")
      .integer("words", c.words, {0, 1 << 20}, "rows",
               "table of the data's most frequent words, added to their letters; 0 = none")
      .integer("items", c.items, {0, 1 << 20}, "rows",
               "table of an item's number in its record; 0 = none")
      .group("identity",
             Fields().integer("tokens", c.identity, {0, 1 << 20}, "tokens",
                              "learned tokens before each window; all else is frozen"),
             "a prefix that is learned alone");
}

Fields model_fields(RunConfig& run) {
  ModelSpec& c = run.model;
  return Fields()
      .include(growing_fields(c))
      .choice(
          "map", c.map, kMaps,
          "joint: token axis and channels at once; attention: along each token axis; dense: one "
          "axis at a time")
      .choice("wiring", c.wiring, kWirings, "which tokens of an axis are connected")
      .choice("combine", c.combine, kCombines, "how the axes of a block follow each other")
      .choice("sequence", c.sequence, kSequences, "descending: innermost axis first")
      .choice("self", c.self, kSelves,
              "combine: parallel — once: only the last axis connects a node to itself")
      .integer("single_axis", c.single_axis, {-64, 63}, "",
               "axis of combine: single; -1 is the channel axis")
      .integer("single_size", c.single_size, {0, kSize.hi}, "",
               "combine: single — size of its token axis behind the map; a second map leads back; "
               "0 = as it is")
      .flag("channel_axis", c.channel_axis, "dense: the channel axis is mapped too")
      .flag("in", c.in, "dense: a channel map before the map")
      .flag("out", c.out, "a channel map after the activation")
      .flag("gate", c.gate, "u * act(v) instead of act(z)")
      .choice("norm", c.norm, kNorms, "norm before the map")
      .flag("residual", c.residual, "add a block's input to its output")
      .choice("activation", c.activation, kActivations, "activation")
      .real("active", c.active, {0, 1, Limits::Open::lo}, "",
            "share of the channels that are activated")
      .integer("width", c.width, {0, 1 << 20}, "channels",
               "width of embeddings and heads; 0 = channels")
      .flag("ask", c.ask, "one_shot: embed which modality an output slot asks for")
      .choice("modality_table", run.modality_table, kSwitches,
              "embed the modality; auto: with more than one, or with diffusion")
      .choice("modality_head", run.modality_head, kSwitches,
              "predict the modality; auto: with more than one, or when ends are scored")
      .flag("place_heads", c.place_heads, "predict each place that has a table")
      .flag("item_head", c.item_head, "predict the number of a token's item");
}

Fields fields(StageConfig& c) {
  return Fields()
      .word("name", c.name, "name in logs and checkpoints")
      .include(growing_fields(c.model))
      .group("data", fields(c.data), "data of this stage")
      .group("objective", fields(c.objective), "what is trained",
             [&c] {
               c.objective = {0, 0, 0};
             })
      .group("one_shot", fields(c.one_shot), "the one_shot objective")
      .group("loss", fields(c.loss), "weights of the loss's terms")
      .group("batch", fields(c.batch), "size of a step", [&c] { c.batch = {}; })
      .group(
          "mesh", fields(c.mesh), "how ranks share this stage", [&c] { c.mesh = {}; }, "auto")
      .group("until", fields(c.until), "when the stage ends", [&c] { c.until = {}; })
      .group("train", fields(c.train), "partial training; all when not named",
             [&c] { c.train = {}; })
      .integer("ranks", c.ranks, {0, 1 << 20}, "ranks",
               "that train this stage; `orthotope run` starts so many; 0 = as many as there are");
}

Fields fields(OptimizerConfig& c) {
  return Fields()
      .choice("name", c.name, kOptimizers, "optimizer")
      .real("lr", c.lr, {0, 100, Limits::Open::lo}, "", "peak learning rate")
      .real("beta1", c.beta1, kBelowOne, "", "adamw: decay of the mean gradient")
      .real("beta2", c.beta2, kBelowOne, "", "adamw: decay of the mean square")
      .real("epsilon", c.epsilon, {0, 1, Limits::Open::lo}, "", "adamw: added to the root")
      .real("momentum", c.momentum, kBelowOne, "", "sgd: share of the velocity kept")
      .real("weight_decay", c.weight_decay, {0, 100}, "",
            "decoupled decay of tables, maps and heads")
      .real("clip", c.clip, {0, 1e6}, "", "largest global gradient norm; 0 = off")
      .integer("warmup", c.warmup, kFromZero, "steps", "linear warm-up")
      .choice("decay", c.decay, kDecays, "how the rate falls after the warm-up")
      .real("final", c.final, kShare, "", "share of lr at the end of the run")
      .integer("rewarm", c.rewarm, kFromZero, "steps", "linear re-warm-up after a growth");
}

Fields fields(EvaluateConfig& c) {
  return Fields()
      .integer("every", c.every, kFromZero, "steps",
               "steps between evaluations; 0 = only at the end of a stage")
      .integer("windows", c.windows, kFromZero, "windows", "held-out windows to score; 0 = all");
}

Fields fields(CheckpointConfig& c) {
  return Fields()
      .integer("every", c.every, kFromZero, "steps",
               "steps between checkpoints; 0 = only at growths and the end")
      .integer("keep", c.keep, {1, 1e6}, "checkpoints", "the newest ones that stay")
      .integer("keep_every", c.keep_every, kFromZero, "steps",
               "checkpoints of each so many steps stay too; 0 = none")
      .flag("keep_best", c.keep_best, "and the one of least held-out loss of each stage")
      .flag("behind", c.behind,
            "write behind the training, from a copy of weights and moments in memory")
      .integer("may_fail", c.may_fail, kFromZero, "saves",
               "in a row that a full disk may spoil; one more ends the run");
}

Fields fields(BadStepConfig& c) {
  return Fields()
      .choice("policy", c.policy, kPolicies,
              "skip: its batch; rewind: to the checkpoint before, and on behind its batch")
      .real("spike", c.spike, {0, 1e9}, "",
            "loss or gradient norm so many usual spreads above the median is bad too; 0 = never")
      .integer("over", c.over, {8, 1e5}, "steps", "the last ones, that tell what is usual")
      .integer("most", c.most, kFromZero, "steps",
               "bad ones of a stage that are skipped or rewound; one more ends the run");
}

Fields fields(RegrowConfig& c) {
  return Fields()
      .integer("every", c.every, kFromZero, "steps",
               "steps between exchanges of connections of sparse maps; 0 = never")
      .real("share", c.share, kBelowOne, "", "of the open connections, that close for others")
      .real("until", c.until, kShare, "", "share of the run's steps after which none is exchanged");
}

// What the first stage inherits.
StageConfig top_level(const RunConfig& c) {
  return {"", c.model, c.data, c.objective, c.one_shot, c.loss, c.batch, c.mesh, {}, {}};
}

Fields append_stage(RunConfig& c) {
  StageConfig next = c.stages.empty() ? top_level(c) : c.stages.back();
  next.name.clear();
  next.until = {};
  next.train = {};
  c.stages.push_back(std::move(next));
  return fields(c.stages.back());
}

}  // namespace

Fields fields(RunConfig& c) {
  return Fields()
      .integer("seed", c.seed, kFromZero, "", "of weights, data order and dropout")
      .word("out", c.out, "run folder")
      .word("start", c.start,
            "folder of .npy files that weights begin with, from export; none: drawn")
      .integer("threads", c.threads, {1, 4096}, "threads", "threads a rank")
      .flag("deterministic", c.deterministic,
            "the same bits on 1, 2, 4 or 8 ranks, which cut the batch alone")
      .group("data", fields(c.data), "what is read")
      .group("objective", fields(c.objective), "what is trained: shares of the steps",
             [&c] {
               c.objective = {0, 0, 0};
             })
      .group("one_shot", fields(c.one_shot), "the one_shot objective")
      .group("loss", fields(c.loss), "weights of the loss's terms")
      .group("batch", fields(c.batch), "size of a step; 12 windows when not named",
             [&c] { c.batch = {}; })
      .group(
          "mesh", fields(c.mesh).include(fields(c.ranks)),
          "how ranks share the work; auto: chosen by cost", [&c] { c.mesh = {}, c.ranks = {}; },
          "auto")
      .group("model", model_fields(c), "the model")
      .groups(
          "stages", [&c] { return c.stages.size(); },
          [&c](size_t i) { return fields(c.stages.at(i)); }, [&c] { return append_stage(c); },
          [&c] { c.stages.clear(); },
          "what the model is, stage by stage; what a stage does not name it inherits")
      .group("optimizer", fields(c.optimizer), "the update and its rate")
      .group("regrow", fields(c.regrow), "how sparse maps change their connections")
      .group("evaluate", fields(c.evaluate),
             "scores on held-out data; always at the end of a stage")
      .group("checkpoint", fields(c.checkpoint), "what is kept")
      .group("bad_step", fields(c.bad_step),
             "a step whose loss or gradient is not finite, or a spike")
      .group("machine", fields(c.machine),
             "the cluster that plan and mesh: auto reckon with, from orthotope probe")
      .group("faults", fields(c.faults), "when a run hangs, and what run does when it fails");
}

std::string config_text(const RunConfig& config) {
  RunConfig copy = config;
  return print_fields(fields(copy));
}

std::string model_text(ModelSpec spec) {
  RunConfig run;
  run.model = std::move(spec);
  run.model.dropout = 0;
  return print_fields(model_fields(run));
}

std::string config_help() {
  RunConfig defaults;
  return describe_fields(fields(defaults));
}

}  // namespace ortho
