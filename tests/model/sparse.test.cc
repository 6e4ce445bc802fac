// Models of sparse maps: drawn open connections, gradients of them, and the model of the same weights
// that skips nothing.
#include <gtest/gtest.h>

#include "comm/local.h"
#include "tests/support/errors.h"
#include "tests/support/gradcheck.h"
#include "tests/support/model_kit.h"

namespace ortho {
namespace {

ModelSpec sparse_joint(double density) {
  ModelSpec spec;
  spec.tokens = {2, 3};
  spec.channels = 9;
  spec.hidden = 7;
  spec.text_symbols = 7;
  spec.density = density;
  return spec;
}

ModelSpec sparse_dense(double density) {
  ModelSpec spec = sparse_joint(density);
  spec.map = MapKind::dense;
  spec.weights = Weights::separate;
  return spec;
}

void close_some(Params<double>& params) {
  for (Param<double>& param : params.all())
    for (std::int64_t i = 0; i < param.size && param.spec.sparse(); ++i)
      if (opening_order(param.spec, 1).uniform(static_cast<std::uint64_t>(i)) >= param.spec.density)
        param.value[i] = 0;
}

std::int64_t scored_of(const Batch& batch) {
  std::int64_t scored = 0;
  for (const Target& target : batch.target) scored += target.scored;
  return scored;
}

double train_loss(ModelKit<double>& kit, const Batch& batch) {
  const TermWeights weights = {{1, 1, 1, 1}};
  kit.params.zero_grads();
  return kit.model.train(batch, weights, static_cast<double>(scored_of(batch)), {}).loss(weights);
}

TEST(SparseModel, GradientsOfOpenConnections) {
  for (const ModelSpec& spec : {sparse_joint(0.2), sparse_dense(0.3)}) {
    ModelKit<double> kit(spec, 3, 5);
    close_some(kit.params);
    const Batch batch = random_batch(spec, 3, 11);
    const auto loss = [&] { return train_loss(kit, batch); };
    loss();
    const std::vector<double> gradient(kit.params.grads().begin(), kit.params.grads().end());
    std::int64_t checked = 0;
    for (Param<double>& param : kit.params.all())
      for (std::int64_t i = 0; i < param.size; i += param.spec.sparse() ? 1 : 1 + param.size / 5) {
        if (param.spec.sparse() && (param.value[i] == 0 || ++checked % 7 != 0)) continue;
        const double numeric = central_difference(param.value[i], loss);
        const double ours = gradient[static_cast<size_t>(param.offset + i)];
        // As for other models: 1e-5 steps in double.
        EXPECT_LT(std::abs(numeric - ours), 2e-5 * (std::abs(numeric) + std::abs(ours) + 1e-4))
            << param.spec.name << "[" << i << "]";
      }
    EXPECT_GT(checked, 100);
  }
}

TEST(SparseModel, IsTheModelOfTheSameWeights) {
  for (const bool joint : {true, false}) {
    const ModelSpec spec = joint ? sparse_joint(0.1) : sparse_dense(0.1);
    ModelSpec same = spec;
    same.density = 1;
    ModelKit<double> sparse(spec, 3, 5), dense(same, 3, 5);
    close_some(sparse.params);
    std::copy(sparse.params.values().begin(), sparse.params.values().end(),
              dense.params.values().begin());
    const Batch batch = random_batch(spec, 3, 11);
    EXPECT_NEAR(train_loss(sparse, batch), train_loss(dense, batch), 1e-12);  // other orders
    for (Param<double>& param : sparse.params.all())
      for (std::int64_t i = 0; i < param.size; ++i) {
        if (param.spec.sparse() && param.value[i] == 0) continue;
        EXPECT_NEAR(param.grad[i], dense.params.at(param.spec.name).grad[i], 1e-12);
      }
  }
}

TEST(SparseModel, TheBlocksMapsAloneAreSparseAndKeepTheVarianceOfWhatTheyYield) {
  ModelSpec spec = sparse_joint(0.25);
  spec.channels = 64;
  spec.hidden = 64;
  spec.width = 16;
  ModelSpec whole = spec;
  whole.density = 1;
  Params<float> params(param_specs(spec)), all(param_specs(whole));
  params.initialise(3);
  all.initialise(3);
  for (Param<float>& param : params.all()) {
    EXPECT_EQ(param.spec.sparse(), param.spec.name.ends_with(".w1")) << param.spec.name;
    if (!param.spec.sparse()) continue;
    double squares = 0, of_all = 0, open = 0;
    for (std::int64_t i = 0; i < param.size; ++i) {
      squares += param.value[i] * param.value[i];
      const float dense = all.at(param.spec.name).value[i];
      of_all += dense * dense;
      if (param.value[i] == 0) continue;
      ++open;
      EXPECT_FLOAT_EQ(param.value[i], 2 * dense);  // the same draw, 1 / sqrt(0.25) times as large
    }
    // Shares of at least 16,384 draws: 5 standard deviations.
    EXPECT_NEAR(open / static_cast<double>(param.size), 0.25, 0.02);
    EXPECT_NEAR(squares / of_all, 1, 0.1);
  }
}

TEST(SparseModel, CountsTheMultiplyAddsOfOpenConnections) {
  const ModelSpec whole = sparse_joint(1), half = sparse_joint(0.5);
  EXPECT_EQ(forward_macs(half).nominal, forward_macs(whole).nominal);
  ModelSpec no_way_out = whole;
  const double ends = 9 * 7, way_out = 2 * 2 * 7 * 9;  // the head, and W2 of 2 blocks x 2 axes
  EXPECT_DOUBLE_EQ(forward_macs(half).executed - ends - way_out,
                   (forward_macs(no_way_out).executed - ends - way_out) / 2);
}

TEST(SparseModel, ADensityOutsideItsLimitsIsRefused) {
  for (const double density : {0.0, -0.1, 1.5})
    expect_in("model.density",
              message_of([&] { check_spec(sparse_joint(density)); }, ErrorKind::usage));
}

// ---- active nodes ----

TEST(ActiveNodes, TheLargestOfEachRowStay) {
  const auto backend = make_cpu_backend<float>(1);
  const std::vector<float> rows = {1, -4, 2, -2, 0, 3, 3, -3, 0, 0, 0, 0};  // 3 rows of 4
  const std::vector<float> kept = {0, -4, 2, 0, 0, 3, 3, 0, 0, 0, 0, 0};    // the first of equals
  std::vector<float> x = rows;
  backend->keep_largest({3, 1, 4, Order::channels_inner}, 2, x.data());
  EXPECT_EQ(x, kept);
  std::vector<float> columns(12), expected(12);  // one token, three windows
  for (size_t r = 0; r < 3; ++r)
    for (size_t c = 0; c < 4; ++c) {
      columns[c * 3 + r] = rows[r * 4 + c];
      expected[c * 3 + r] = kept[r * 4 + c];
    }
  backend->keep_largest({1, 3, 4, Order::batch_inner}, 2, columns.data());
  EXPECT_EQ(columns, expected);
}

TEST(ActiveNodes, AllOfThemChangeNothingAndFewerDo) {
  for (const ModelSpec& spec : {sparse_joint(1), sparse_dense(1)}) {
    ModelKit<double> kit(spec, 3, 5);
    const Batch batch = random_batch(spec, 3, 11);
    const double trained = train_loss(kit, batch), all = kit.model.score(batch).nats[1];
    kit.model.keep_active(0.99);  // rounds to all 7
    EXPECT_EQ(kit.model.score(batch).nats[1], all);
    kit.model.keep_active(0.3);
    EXPECT_NE(kit.model.score(batch).nats[1], all);
    EXPECT_EQ(train_loss(kit, batch), trained);  // training knows nothing of it
  }
}

TEST(ActiveNodes, AreRefusedWhereTheChannelsAreCut) {
  const ModelSpec spec = sparse_joint(1);
  run_local_ranks(2, [&](Channel& world) {
    ModelKit<double> kit(spec, Sharding(spec, 2, Cuts{1, {}, 2}, world.rank()), &world, 5);
    expect_in("cuts the channels",
              message_of([&] { kit.model.keep_active(0.5); }, ErrorKind::usage));
  });
}

}  // namespace
}  // namespace ortho
