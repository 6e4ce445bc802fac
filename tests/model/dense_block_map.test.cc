// The dense side of a block on a mesh against the same on one rank.
#include "model/dense_block_map.h"

#include <gtest/gtest.h>

#include "tests/support/layer_shard_kit.h"

namespace ortho {
namespace {

ModelSpec block_spec(Combine combine, Wiring wiring, bool in) {
  ModelSpec spec = dense_spec({4, 3}, Weights::separate, wiring, combine);
  spec.channels = 5;
  spec.hidden = 3;
  spec.in = in;
  spec.gate = in || combine == Combine::single;  // else the layer's channels must be f's
  if (!spec.gate) spec.hidden = spec.channels;
  spec.blocks = 2;
  spec.text_symbols = 7;
  return spec;
}

// One rank's block 1 of a model, with the weights that the model's layouts give it.
struct BlockRank {
  BlockRank(const ModelSpec& spec, const Cuts& cuts, Channel* world, int rank)
      : sharding(spec, 4, cuts, rank),
        params(param_specs(spec), param_layouts(spec, sharding), rank),
        backend(make_cpu_backend<float>(1)),
        moves(sharding, world, arena),
        map({spec, sharding, params, *backend, arena, moves}, block_layouts(spec, sharding),
            "block.1") {
    moves.take_workspace();
    params.initialise(3);
  }
  Sharding sharding;
  Params<float> params;
  std::unique_ptr<Backend<float>> backend;
  Arena<float> arena;
  Moves<float> moves;
  DenseBlockMap<float> map;
};

struct BlockResult {
  std::vector<float> z, dh;
  std::vector<std::vector<double>> dw;  // of each of the model's weights, summed over the ranks
};

BlockResult run_block(const ModelSpec& spec, const Cuts& cuts) {
  const Sharding whole(spec, 4);
  const Shape h_shape = whole.nodes(spec.channels).shape;
  const Shape z_shape = whole.nodes(gated_width(spec)).shape;
  const auto h = normal_numbers<float>(elements(h_shape), 1);
  const auto dz = normal_numbers<float>(elements(z_shape), 2);
  BlockResult all;
  all.z.assign(dz.size(), 77);
  all.dh.assign(h.size(), 77);
  for (const ParamSpec& param : param_specs(spec))
    all.dw.emplace_back(static_cast<size_t>(elements(param.shape())), 0.0);
  run_local_ranks(ranks_of(cuts), [&](Channel& world) {
    BlockRank own(spec, cuts, &world, world.rank());
    const Box h_box = own.sharding.box(own.sharding.home(), spec.channels);
    const Box z_box = own.sharding.box(own.sharding.home(), gated_width(spec));
    const auto h_own = slice(h_shape, h_box, h), dz_own = slice(z_shape, z_box, dz);
    std::vector<float> z(dz_own.size(), 99), dh(h_own.size(), 99);
    own.map.forward(h_own.data(), z.data());
    own.map.backward(h_own.data(), dz_own.data(), dh.data());
    own.map.backward_weights(h_own.data(), dz_own.data());
    for (int rank = 0; rank < world.ranks(); ++rank) {  // one after the other
      world.barrier();
      if (rank != world.rank()) continue;
      put(z_shape, z_box, z.data(), false, all.z);
      put(h_shape, h_box, dh.data(), false, all.dh);
      for (size_t i = 0; i < all.dw.size(); ++i) {
        const Param<float>& param = own.params.all()[i];
        put(param.spec.shape(), param.box, param.grad, true, all.dw[i]);
      }
    }
  });
  return all;
}

TEST(DenseBlockMap, EqualsOneRankOnEveryMesh) {
  for (const Combine combine : {Combine::parallel, Combine::sequential, Combine::single})
    for (const Wiring wiring : {Wiring::grid, Wiring::causal})
      for (const bool in : {true, false}) {
        const ModelSpec spec = block_spec(combine, wiring, in);
        const BlockResult expected = run_block(spec, {});
        for (const Cuts& cuts :
             {Cuts{1, {2}, 1}, Cuts{1, {3}, 1}, Cuts{1, {1, 3}, 1}, Cuts{1, {2, 2}, 1}}) {
          const BlockResult found = run_block(spec, cuts);
          EXPECT_EQ(found.z, expected.z);
          EXPECT_EQ(found.dh, expected.dh);
          const std::vector<ParamSpec> params = param_specs(spec);
          for (size_t i = 0; i < params.size(); ++i)
            for (size_t e = 0; e < found.dw[i].size(); ++e)
              if (params[i].name == "block.1.in")
                // 4 * 12 products below 50 each: twice as many roundings of a sum below 2400.
                EXPECT_NEAR(found.dw[i][e], expected.dw[i][e], 2 * 48 * 2400 / 16777216.0);
              else
                EXPECT_EQ(found.dw[i][e], expected.dw[i][e]) << params[i].name;
        }
      }
}

}  // namespace
}  // namespace ortho
