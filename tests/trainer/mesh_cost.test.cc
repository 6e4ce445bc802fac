// What a mesh costs a rank, against what a model on such a mesh really takes.
#include "trainer/mesh_cost.h"

#include <gtest/gtest.h>

#include "comm/local.h"
#include "model/model.h"
#include "tests/support/errors.h"
#include "trainer/traffic.h"

namespace ortho {
namespace {

Stage small_stage(MapKind map, std::int64_t windows) {
  Stage stage;
  stage.config.name = "test";
  ModelSpec& spec = stage.config.model;
  spec.tokens = {4, 2};
  spec.channels = spec.hidden = 8;
  spec.blocks = 2;
  spec.map = map;
  spec.text_symbols = 5;
  stage.windows = windows;
  stage.tokens = windows * context(spec);
  stage.steps = 10;
  stage.flops_per_step = 8e9;
  return stage;
}

TEST(MeshCost, IsWhatEveryRankTakes) {
  for (const MapKind map : {MapKind::joint, MapKind::dense}) {
    const Stage stage = small_stage(map, 8);
    const ModelSpec& spec = stage.config.model;
    const Cuts cuts{4, {}, 1};
    const MeshCost cost = mesh_cost(stage, {}, cuts);
    run_local_ranks(4, [&](Channel& world) {
      const Sharding sharding(spec, stage.windows, cuts, world.rank());
      Params<float> params(param_specs(spec), param_layouts(spec, sharding), world.rank());
      const auto backend = make_cpu_backend<float>(1);
      Arena<float> arena;
      const Model<float> model(spec, sharding, params, *backend, arena, &world);
      EXPECT_EQ(cost.bytes.activations, arena.bytes());
      EXPECT_EQ(cost.weights, params.size());
      EXPECT_GE(cost.own_weights, params.own_size());  // the first rank's part is the largest
      if (world.rank() == 0) {
        EXPECT_EQ(cost.own_weights, params.own_size());
      }
    });
  }
}

Machine slow_machine() {
  Machine machine;
  machine.flops = 1e9;
  machine.node_latency = 1e-3;
  machine.node_bandwidth = 1e6;
  return machine;
}

TEST(MeshCost, OfTheBatchByHand) {
  const Stage stage = small_stage(MapKind::joint, 8);
  const std::int64_t weights = count_weights(param_specs(stage.config.model));
  const MeshCost cost = mesh_cost(stage, {}, {4, {}, 1}, slow_machine());
  EXPECT_EQ(cost.windows, 2);
  EXPECT_EQ(cost.weights, weights);
  EXPECT_EQ(cost.bytes.weights, 4 * weights);
  EXPECT_EQ(cost.bytes.gradients, 4 * weights);
  EXPECT_EQ(cost.bytes.moments, 2 * 4 * ((weights + 3) / 4));  // two of a quarter, rounded up
  EXPECT_EQ(cost.bytes.batches, 3 * 8 * 2 * (36 + 36));        // of a Token and a Target
  EXPECT_TRUE(cost.exchange.empty());
  EXPECT_EQ(cost.gradients.messages, 6);  // to three ranks, there and back
  EXPECT_EQ(cost.imbalance, 1);
  EXPECT_DOUBLE_EQ(cost.compute_sec, 2);  // 8e9 / 4 / 1e9
  EXPECT_DOUBLE_EQ(cost.message_sec, 1e-3 * static_cast<double>(cost.gradients.messages) +
                                         1e-6 * static_cast<double>(cost.gradients.bytes));
  OptimizerConfig sgd;
  sgd.name = OptimizerConfig::Name::sgd;
  EXPECT_EQ(mesh_cost(stage, sgd, {4, {}, 1}).bytes.moments, cost.bytes.moments / 2);
}

// A rank with 4 of the 8 leaves holds two half sums beside its gradient (trainer/fixed_order.h).
TEST(MeshCost, InFixedOrderAModelTakesALeaf) {
  Stage stage = small_stage(MapKind::joint, 16);
  const MeshCost plain = mesh_cost(stage, {}, {2, {}, 1});
  stage.fixed_order = true;
  const MeshCost cost = mesh_cost(stage, {}, {2, {}, 1});
  EXPECT_EQ(plain.model_windows, 8);
  EXPECT_EQ(cost.windows, 8);
  EXPECT_EQ(cost.model_windows, 2);
  EXPECT_EQ(cost.bytes.sums, plain.bytes.sums + 2 * 4 * cost.weights);
  EXPECT_LT(cost.bytes.activations, plain.bytes.activations);
  EXPECT_EQ(cost.bytes.batches, plain.bytes.batches);
  EXPECT_EQ(cost.gradients, plain.gradients);
  expect_in("cuts the batch alone", message_of(
                                        [&] {
                                          mesh_cost(stage, {}, {1, {2}, 1});
                                        },
                                        ErrorKind::usage));
}

// Two nodes of two ranks: what goes to the other node shares that node's network.
TEST(MeshCost, TellsNodesApart) {
  const Stage stage = small_stage(MapKind::joint, 8);
  Machine machine = slow_machine();
  const MeshCost near = mesh_cost(stage, {}, {4, {}, 1}, machine);
  EXPECT_EQ(near.sent.network.messages, 0);
  EXPECT_EQ(near.sent.node.bytes, near.gradients.bytes);
  machine.ranks_per_node = 2;
  machine.network_latency = 1e-2;
  machine.network_bandwidth = 1e5;
  const MeshCost cost = mesh_cost(stage, {}, {4, {}, 1}, machine);
  EXPECT_EQ(cost.sent.node.messages, 2);  // to one rank, there and back
  EXPECT_EQ(cost.sent.network.messages, 4);
  EXPECT_EQ(cost.sent.node.bytes + cost.sent.network.bytes, near.gradients.bytes);
  EXPECT_DOUBLE_EQ(cost.message_sec, 2e-3 + 1e-6 * static_cast<double>(cost.sent.node.bytes) +
                                         4e-2 +
                                         2e-5 * static_cast<double>(cost.sent.network.bytes));
}

// A cut token axis exchanges activations: along the inner axis within a node, else between nodes.
TEST(MeshCost, ExchangesWithinANodeAreNear) {
  const Stage stage = small_stage(MapKind::joint, 8);
  Machine machine;
  machine.ranks_per_node = 2;
  const MeshCost inner = mesh_cost(stage, {}, {2, {2}, 1}, machine);
  const Sent exchanged = total(inner.exchange);
  EXPECT_GE(inner.sent.node.bytes, exchanged.bytes);  // gradients come on top
  const MeshCost outer = mesh_cost(stage, {}, {1, {4}, 1}, machine);
  EXPECT_GT(outer.sent.network.bytes, 0);
}

// Where memory is slow, it sets the time.
TEST(MeshCost, TheMemoryMayBeTheLimit) {
  const Stage stage = small_stage(MapKind::joint, 8);
  Machine machine = slow_machine();
  const MeshCost fast = mesh_cost(stage, {}, {}, machine);
  machine.bandwidth = 10;
  const MeshCost slow = mesh_cost(stage, {}, {}, machine);
  EXPECT_EQ(slow.touched_bytes, fast.touched_bytes);
  EXPECT_DOUBLE_EQ(slow.compute_sec, slow.touched_bytes / 10);
  EXPECT_GT(slow.compute_sec, fast.compute_sec);
  // One pass: weights once forward, once for dx, gradients written and read; then the update.
  RankBytes bytes;
  bytes.weights = 400;
  bytes.moments = 800;
  bytes.activations = 1000;
  EXPECT_EQ(touched_bytes(bytes, 100, 1), 4 * 400 + 3 * 400 + 2 * 800 + 3 * 1000);
  EXPECT_EQ(touched_bytes(bytes, 100, 2) - touched_bytes(bytes, 100, 1), 4 * 400);
}

TEST(MeshCost, OneRankSendsNothing) {
  const MeshCost cost = mesh_cost(small_stage(MapKind::joint, 8), {}, {});
  EXPECT_EQ(cost.message_sec, 0);
  EXPECT_EQ(cost.bytes.sums, 0);
  EXPECT_EQ(cost.windows, 8);
  EXPECT_EQ(cost.own_weights, cost.weights);
}

TEST(MeshCost, RefusesWhatTheLoaderRefuses) {
  const Stage stage = small_stage(MapKind::joint, 6);
  const auto refusal = [&](const Cuts& cuts) {
    return message_of([&] { mesh_cost(stage, {}, cuts); }, ErrorKind::usage);
  };
  expect_in("more replicas than windows: 8 replicas, a batch of 6", refusal({8, {}, 1}));
  expect_in("4 replicas must divide the batch of 6", refusal({4, {}, 1}));
  expect_in("3 replicas must divide the batch of 6 windows and the 64 streams",
            refusal({3, {}, 1}));
}

}  // namespace
}  // namespace ortho
