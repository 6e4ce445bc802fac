#include "model/model.h"

#include <gtest/gtest.h>

#include "model/grow.h"
#include "tests/support/errors.h"
#include "tests/support/gradcheck.h"
#include "tests/support/grow_kit.h"
#include "tests/support/model_kit.h"

namespace ortho {
namespace {

ModelSpec small_joint() {
  ModelSpec spec;
  spec.tokens = {2, 3};
  spec.channels = 5;
  spec.hidden = 4;
  spec.text_symbols = 7;
  return spec;
}

ModelSpec every_modality() {
  ModelSpec spec = small_joint();
  spec.modalities = {Modality::text, Modality::pixel, Modality::audio};
  spec.modality_head = spec.modality_table = spec.ask = true;
  spec.items = 2;
  spec.places = {4, 3, 5, 2, 6};
  spec.place_heads = spec.item_head = true;
  return spec;
}

// Largest relative error over a sample of every weight's elements.
double worst_gradient_error(const ModelSpec& spec, const DropoutKey& dropout = {}) {
  ModelKit<double> kit(spec, 3, 5);
  const Batch batch = random_batch(spec, 3, 11);
  const TermWeights weights = {{0.7, 1.0, 0.4, 1.3, 0.6, 0.8}};
  std::int64_t scored = 0;
  for (const Target& target : batch.target) scored += target.scored;
  const auto loss = [&] {
    return kit.model.train(batch, weights, static_cast<double>(scored), dropout).loss(weights);
  };
  loss();
  std::vector<double> gradient(kit.params.grads().begin(), kit.params.grads().end());
  double worst = 0;
  for (Param<double>& param : kit.params.all())
    for (std::int64_t i = 0; i < param.size; i += 1 + param.size / 5) {
      const double numeric = central_difference(param.value[i], loss);
      const double ours = gradient[static_cast<size_t>(param.offset + i)];
      const double error = std::abs(numeric - ours) / (std::abs(numeric) + std::abs(ours) + 1e-4);
      if (error > worst) worst = error;
      EXPECT_LT(error, 2e-5) << param.spec.name << "[" << i << "]: numeric " << numeric << ", ours "
                             << ours;
    }
  return worst;
}

TEST(Model, GradientsOfTheJointBlock) {
  for (const Wiring wiring : {Wiring::causal, Wiring::grid, Wiring::grid_causal, Wiring::mirrored})
    for (const Combine combine : {Combine::sequential, Combine::parallel})
      for (const bool gate : {true, false}) {
        ModelSpec spec = small_joint();
        spec.wiring = wiring;
        spec.combine = combine;
        spec.gate = gate;
        worst_gradient_error(spec);
      }
}

TEST(Model, GradientsOfTheDenseBlock) {
  for (const Weights weights : {Weights::separate, Weights::shared})
    for (const Combine combine : {Combine::sequential, Combine::parallel, Combine::single})
      for (const Wiring wiring : {Wiring::causal, Wiring::grid}) {
        ModelSpec spec = small_joint();
        spec.map = MapKind::dense;
        spec.weights = weights;
        spec.combine = combine;
        spec.wiring = wiring;
        worst_gradient_error(spec);
      }
}

// The prefix is one table more; a narrow one leads in by a map.
TEST(Model, GradientsOfAPrefix) {
  for (const std::int64_t width : {0, 3}) {
    ModelSpec spec = every_modality();
    spec.identity = 2;
    spec.width = width;
    worst_gradient_error(spec);
  }
}

ModelSpec resized_axis(std::int64_t axis, std::int64_t size) {
  ModelSpec spec = small_joint();
  spec.map = MapKind::dense;
  spec.wiring = Wiring::grid;
  spec.combine = Combine::single;
  spec.single_axis = axis;
  spec.single_size = size;
  return spec;
}

// An axis made longer and shorter, with every kind of weights.
TEST(Model, GradientsOfAResizedAxis) {
  for (const Weights weights :
       {Weights::separate, Weights::shared, Weights::per_channel, Weights::tied})
    for (const std::int64_t size : {1, 2, 5})
      for (const std::int64_t axis : {0, 1}) {
        ModelSpec spec = resized_axis(axis, size);
        spec.weights = weights;
        spec.gate = size != 2;
        spec.bias = size == 5;
        spec.refeeds = 2;
        worst_gradient_error(spec, {0.2, 3, 17, 0});
      }
}

TEST(Model, AResizedAxisHasTheOtherSizeBetweenItsMaps) {
  ModelSpec spec = resized_axis(1, 5);
  spec.gate = false;
  const auto shape_of = [&](const std::string& name) {
    for (const ParamSpec& param : param_specs(spec))
      if (param.name == name) return param.shape();
    return Shape{};
  };
  EXPECT_EQ(shape_of("block.0.axis.0.w"), (Shape{3, 5}));
  EXPECT_EQ(shape_of("block.0.back.axis.0.w"), (Shape{5, 3}));
  spec.weights = Weights::separate;
  EXPECT_EQ(shape_of("block.0.axis.0.w"), (Shape{2, 3, 4, 5}));
  EXPECT_EQ(shape_of("block.0.back.axis.0.w"), (Shape{2, 5, 4, 3}));
  spec.channel_axis = false;
  const double way_in = 5.0 * 4, way_out = 4.0 * 5, maps = 5 * (4 + 4), head = 5.0 * 7;
  EXPECT_DOUBLE_EQ(forward_macs(spec).nominal, 2 * (way_in + maps + way_out) + head);
}

TEST(Model, ResizingIsRefusedWhereItMeansNothing) {
  ModelSpec causal = resized_axis(0, 4), channels = resized_axis(-1, 4), way = resized_axis(0, 4);
  causal.wiring = Wiring::causal;
  way.out = false, way.hidden = way.channels;
  EXPECT_NE(message_of([&] { check_spec(causal); }, ErrorKind::usage).find("use wiring: grid"),
            std::string::npos);
  EXPECT_NE(message_of([&] { check_spec(channels); }, ErrorKind::usage).find("along a token axis"),
            std::string::npos);
  EXPECT_NE(message_of([&] { check_spec(way); }, ErrorKind::usage).find("needs out: true"),
            std::string::npos);
  ModelSpec longer = resized_axis(0, 4);
  longer.tokens = {4, 3};
  EXPECT_NE(message_of([&] { plan_growth(resized_axis(0, 4), longer); }, ErrorKind::usage)
                .find("keep their shapes"),
            std::string::npos);
}

// Biases, branches, windows and nodes that hear themselves once, with and without a way out.
TEST(Model, GradientsOfBranchesBiasesAndWindows) {
  for (const MapKind map : {MapKind::joint, MapKind::dense})
    for (const Wiring wiring : {Wiring::causal, Wiring::grid, Wiring::grid_causal})
      for (const bool out : {true, false}) {
        ModelSpec spec = small_joint();
        spec.tokens = {2, 4};
        spec.map = map;
        spec.wiring = wiring;
        spec.combine = Combine::parallel;
        spec.self = Self::once;
        spec.radius = 2;
        spec.bias = true;
        spec.branches = 2;
        spec.out = out;
        if (!out) spec.hidden = spec.channels;
        worst_gradient_error(spec);
      }
}

TEST(Model, GradientsOfHeads) {
  for (const Weights weights : {Weights::shared, Weights::separate, Weights::tied})
    for (const bool gate : {true, false})
      for (const bool in : {true, false}) {
        ModelSpec spec = small_joint();
        spec.map = MapKind::dense;
        spec.weights = weights;
        spec.gate = gate;
        spec.in = in;
        spec.hidden = 4;
        spec.channels = in ? 5 : gated_width(spec);
        spec.heads = 2;
        worst_gradient_error(spec);
      }
}

// The author's own model: one separate parallel layer
// between two channel maps, refed, no norm, no residual.
TEST(Model, GradientsOfThePapersModel) {
  ModelSpec spec = small_joint();
  spec.map = MapKind::dense;
  spec.weights = Weights::separate;
  spec.wiring = Wiring::grid;
  spec.combine = Combine::parallel;
  spec.in = spec.out = spec.gate = spec.residual = false;
  spec.hidden = spec.channels;
  spec.norm = Norm::none;
  spec.width = 6;
  spec.blocks = 1;
  spec.refeeds = 3;
  worst_gradient_error(spec);
}

TEST(Model, GradientsOfEveryPartSwitchedOff) {
  ModelSpec spec = small_joint();
  spec.sequence = Sequence::ascending;
  spec.gate = false;
  worst_gradient_error(spec);
  spec.residual = false;
  worst_gradient_error(spec);
  spec.norm = Norm::none;
  worst_gradient_error(spec);
  spec = small_joint();
  spec.norm = Norm::layer;
  spec.hidden = spec.channels;
  spec.out = false;
  worst_gradient_error(spec);
}

TEST(Model, GradientsOfEveryActivation) {
  using enum Activation;
  for (const Activation activation :
       {none, melu, relu, leaky_relu, abs, elu, hard_tanh, sort2, gelu, silu})
    for (const bool gate : {true, false}) {
      ModelSpec spec = small_joint();
      spec.activation = activation;
      spec.gate = gate;
      worst_gradient_error(spec);
      if (activation == sort2) continue;
      spec.active = 0.75;
      worst_gradient_error(spec);
    }
}

TEST(Model, GradientsThroughRefeedsAndChannelMaps) {
  ModelSpec spec = small_joint();
  spec.refeeds = 3;
  spec.width = 6;
  worst_gradient_error(spec);
}

TEST(Model, GradientsOfEveryTableAndHead) {
  ModelSpec spec = every_modality();
  worst_gradient_error(spec);
  spec.tokens = {};
  worst_gradient_error(spec);
}

// Tokens without a word and words beyond the table are among the batch.
TEST(Model, GradientsOfTheWordTable) {
  ModelSpec spec = small_joint();
  spec.words = 3;
  worst_gradient_error(spec);
}

TEST(Model, GradientsWithDropout) {
  ModelSpec spec = small_joint();
  worst_gradient_error(spec, {0.4, 3, 17, 8});
}

// No output may move by a bit when a later token changes (docs/layer.md, section 3).
TEST(Model, NoOutputSeesALaterToken) {
  for (const Wiring wiring : {Wiring::causal, Wiring::grid_causal})
    for (const Shape& tokens : {Shape{2, 2, 2}, Shape{3, 5}, Shape{4, 4}}) {
      ModelSpec spec = small_joint();
      spec.tokens = tokens;
      spec.wiring = wiring;
      spec.refeeds = 2;
      ModelKit<float> kit(spec, 1, 3);
      Batch batch = random_batch(spec, 1, 4);
      const std::int64_t count = context(spec);
      std::vector<std::int32_t> rows;
      for (std::int32_t t = 0; t < count; ++t) rows.push_back(t);
      const auto logits = [&] {
        std::vector<float> out(static_cast<size_t>(count * 7));
        kit.model.run(batch);
        kit.model.head().logits("text", rows, {}, out.data());
        return out;
      };
      const auto before = logits();
      for (std::int64_t p = 0; p < count; ++p) {
        const Token kept = batch.input[static_cast<size_t>(p)];
        batch.input[static_cast<size_t>(p)] = {1, {(kept.symbol[0] + 1) % 7}, {}, 0};
        const auto after = logits();
        bool moved = false;
        for (std::int64_t t = 0; t < count; ++t)
          for (std::int64_t c = 0; c < 7; ++c) {
            const auto i = static_cast<size_t>(t * 7 + c);
            if (t < p) {
              ASSERT_EQ(before[i], after[i]) << "token " << t << " saw token " << p;
            }
            if (t >= p) moved = moved || before[i] != after[i];
          }
        EXPECT_TRUE(moved) << "token " << p << " moves nothing";
        batch.input[static_cast<size_t>(p)] = kept;
      }
    }
}

// innermost gives.
TEST(Cost, CountsOnlyTheTapsThatAreUsed) {
  const auto macs = [](const Change& change) {
    ModelSpec spec = small_joint();  // 5 channels, 8 hidden of a gate, [2, 3]
    spec.blocks = 1;
    spec.combine = Combine::parallel;
    ModelSpec none = spec;
    change(spec);
    const Cost cost = forward_macs(spec), heads = {7.0 * 5, 7.0 * 5};
    return std::pair(cost.nominal - heads.nominal, cost.executed - heads.executed);
  };
  const double tap = 5 * 8, out = 4 * 5;
  using S = ModelSpec;
  EXPECT_EQ(macs([](S&) {}).first, 5 * tap + 2 * out);
  EXPECT_EQ(macs([](S& s) { s.radius = 1; }).first, 4 * tap + 2 * out);
  // Along the outer axis tap 1 alone, which half of the tokens have.
  EXPECT_EQ(macs([](S& s) { s.self = Self::once, s.radius = 1; }),
            std::pair(3 * tap + 2 * out, (0.5 + 1 + 5.0 / 6) * tap + 2 * out));
  EXPECT_EQ(macs([](S& s) { s.branches = 3; }).first, 3 * (5 * tap + 2 * out));
  const auto grid = [](S& s) { s.wiring = Wiring::grid, s.radius = 1, s.tokens = {1, 3}; };
  EXPECT_EQ(macs(grid).second, (1 + 7.0 / 3) * tap + 2 * out);
  const auto dense = [](std::int64_t heads) {
    return
        [heads](S& s) { s.map = MapKind::dense, s.combine = Combine::sequential, s.heads = heads; };
  };
  EXPECT_EQ(macs(dense(1)).first - macs(dense(4)).first, 8 * 8 - 8 * 8 / 4);
}

TEST(ParamList, NamesOfBranchesAndBiases) {
  ModelSpec spec = small_joint();
  spec.tokens = {3};
  spec.blocks = 1;
  spec.branches = 2;
  spec.bias = true;
  const auto names = [](const ModelSpec& s) {
    std::vector<std::string> list;
    for (const ParamSpec& param : param_specs(s))
      if (param.name.starts_with("block.")) list.push_back(param.name);
    return list;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names(spec),
            (Names{"block.0.axis.0.gain", "block.0.axis.0.w1", "block.0.axis.0.w2",
                   "block.0.axis.0.b1", "block.0.axis.0.b2", "block.0.branch.1.axis.0.gain",
                   "block.0.branch.1.axis.0.w1", "block.0.branch.1.axis.0.w2",
                   "block.0.branch.1.axis.0.b1", "block.0.branch.1.axis.0.b2"}));
  spec.map = MapKind::dense;
  spec.branches = 1;
  EXPECT_EQ(names(spec), (Names{"block.0.gain", "block.0.in", "block.0.channel.w",
                                "block.0.axis.0.w", "block.0.out", "block.0.b1", "block.0.b2"}));
  for (const ParamSpec& param : param_specs(spec))
    EXPECT_TRUE(!param.name.starts_with("block.0.b") || !param.decay) << param.name;
}

TEST(Spec, RefusesWhatTheMapsCannotDo) {
  const auto refused = [](const Change& change) {
    return message_of([&] { check_spec(changed(small_joint(), change)); }, ErrorKind::usage);
  };
  using S = ModelSpec;
  expect_in("model.self: once is for combine: parallel",
            refused([](S& s) { s.self = Self::once; }));
  expect_in("model.heads 2 with map: joint", refused([](S& s) { s.heads = 2; }));
  expect_in("model.heads 3 do not divide hidden 4",
            refused([](S& s) { s.map = MapKind::dense, s.heads = 3; }));
  expect_in("model.heads 2 do not divide channels 5", refused([](S& s) {
              s.map = MapKind::dense, s.heads = 2, s.in = s.gate = false,
              s.combine = Combine::single, s.hidden = 4;
            }));
  expect_in("model.branches 0: 1 to", refused([](S& s) { s.branches = 0; }));
  expect_in("model.radius -1", refused([](S& s) { s.radius = -1; }));
  expect_in("joint and attention have shared weights only",
            refused([](S& s) { s.weights = Weights::tied; }));
}

TEST(Model, CountsOfTheDefaultRecipe) {
  ModelSpec spec;
  spec.tokens = {2, 2, 2, 2, 2, 2};
  spec.text_symbols = 65;
  EXPECT_EQ(count_weights(param_specs(spec)), 878464);
  EXPECT_EQ(forward_macs(spec).nominal, 868480);
  EXPECT_EQ(forward_macs(spec).executed, 812032);
}

// Rows are numbered with 32 bits: 6 tokens x 2^30 windows are too many, none are too few.
TEST(Model, RefusesWindowsThatCannotBeNumbered) {
  const ModelSpec spec = small_joint();
  const auto backend = make_cpu_backend<float>(1);
  Params<float> params(param_specs(spec), true);
  const auto refusal = [&](std::int64_t windows) {
    Arena<float> arena(true);
    return message_of([&] { Model<float>(spec, windows, params, *backend, arena); },
                      ErrorKind::usage);
  };
  expect_in("1073741824 windows of 6 tokens on one rank", refusal(std::int64_t{1} << 30));
  expect_in("a batch of 0 windows: at least 1", refusal(0));
}

}  // namespace
}  // namespace ortho
