#include "model/model.h"

#include <gtest/gtest.h>

#include "tests/support/errors.h"
#include "tests/support/gradcheck.h"
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
  spec.modality_head = spec.modality_table = true;
  spec.items = 2;
  spec.places = {4, 3, 5, 2, 6};
  return spec;
}

// Largest relative error over a sample of every weight's elements.
double worst_gradient_error(const ModelSpec& spec, const DropoutKey& dropout = {}) {
  ModelKit<double> kit(spec, 3, 5);
  const Batch batch = random_batch(spec, 3, 11);
  const TermWeights weights = {{0.7, 1.0, 0.4, 1.3}};
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
