// A dense layer on several ranks beside the same layer on one: what the tests compare.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "comm/local.h"
#include "model/layer.h"
#include "model/watch.h"
#include "tests/support/dense_terms.h"
#include "tests/support/layer_kit.h"

namespace ortho {

struct LayerCase {
  ModelSpec spec;
  std::int64_t windows = 1, channels = 1, single_out = 0;
  Order order = Order::batch_inner;
  Cuts cuts;

  Nodes nodes() const { return {elements(spec.tokens), windows, channels, order}; }
};

inline LayerCase plain_case(const Shape& tokens, Combine combine, Weights weights, Wiring wiring,
                            const Cuts& cuts) {
  LayerCase one;
  one.spec = dense_spec(tokens, weights, wiring, combine);
  one.spec.channels = one.channels = 4;
  one.windows = 4;
  one.cuts = cuts;
  return one;
}

inline int ranks_of(const Cuts& cuts) { return mesh_of(cuts).ranks(); }

inline std::string case_text(const LayerCase& one) {
  std::string cuts;
  const Mesh mesh = mesh_of(one.cuts);
  for (const MeshAxis& axis : mesh.axes()) cuts += text(axis.name, " ", axis.ranks, " ");
  const ModelSpec& s = one.spec;
  return text(shape_text(s.tokens), " B ", one.windows, " C ", one.channels, " out ",
              one.single_out, " wiring ", static_cast<int>(s.wiring), " weights ",
              static_cast<int>(s.weights), " combine ", static_cast<int>(s.combine), " sequence ",
              static_cast<int>(s.sequence), " order ", static_cast<int>(one.order), " radius ",
              s.radius, " self ", static_cast<int>(s.self), " heads ", s.heads, " channel axis ",
              s.channel_axis, " single axis ", s.single_axis, ", cuts ", cuts);
}

// Part of a global array.
template <class T>
std::vector<T> slice(const Shape& shape, const Box& box, const std::vector<T>& values) {
  std::vector<T> part;
  for_each_run(shape, box, [&](std::int64_t first, std::int64_t count) {
    part.insert(part.end(), values.begin() + first, values.begin() + first + count);
  });
  return part;
}

// Writes a part into a global array, or adds it there.
template <class T, class U>
void put(const Shape& shape, const Box& box, const T* part, bool add, std::vector<U>& values) {
  for_each_run(shape, box, [&](std::int64_t first, std::int64_t count) {
    for (std::int64_t i = first; i < first + count; ++i, ++part) {
      U& value = values[static_cast<size_t>(i)];
      value = (add ? value : U(0)) + static_cast<U>(*part);
    }
  });
}

// What a layer does with one x and one dy, as global arrays; dw per weight, summed over the ranks.
struct LayerResult {
  std::vector<float> y, dx;
  std::vector<std::vector<double>> dw;
};

struct LayerInput {
  std::vector<float> x, dy;
};

inline LayerShapes shapes_of(const LayerCase& one) {
  const Sharding whole(one.spec, one.windows, Cuts{}, 0, one.order);
  return layer_shapes(one.spec, whole, one.channels, one.single_out);
}

inline LayerInput layer_input(const LayerCase& one) {
  const LayerShapes shapes = shapes_of(one);
  return {normal_numbers<float>(elements(shapes.input.shape), 1),
          normal_numbers<float>(elements(shapes.output.shape), 2)};
}

inline float* alter(std::span<float> values, bool absolute) {
  for (float& value : values) value = absolute ? std::abs(value) : value;
  return values.data();
}

// On one rank. `absolute`: of all weights and inputs the absolute values, so that each result is a
// bound of the sum of its terms' sizes.
inline LayerResult run_on_one(const LayerCase& one, LayerInput in, bool absolute) {
  Kit<float> kit(one.spec, one.nodes(), one.single_out);
  for (const std::span<float> values : {std::span(in.x), std::span(in.dy), kit.params.values()})
    alter(values, absolute);
  LayerResult result;
  result.y = kit.forward(in.x);
  result.dx.assign(in.x.size(), 99);
  kit.layer.backward(in.x.data(), in.dy.data(), result.dx.data());
  for (const Param<float>& param : kit.params.all())
    result.dw.emplace_back(param.grad, param.grad + param.size);
  return result;
}

// One rank of many with its part of the layer.
struct LayerRank {
  LayerRank(const LayerCase& one, Channel* world, int rank, bool measure)
      : sharding(one.spec, one.windows, one.cuts, rank, one.order),
        params(layer_params(one.spec, one.channels, "block.0", one.single_out),
               layer_param_layouts(one.spec, sharding, one.channels, one.single_out), rank,
               measure),
        backend(make_cpu_backend<float>(1)),
        arena(measure),
        moves(sharding, world, arena),
        layer({one.spec, sharding, params, *backend, arena, moves},
              layer_layouts(one.spec, sharding, one.channels, one.single_out), one.channels,
              "block.0", one.single_out),
        watch(*backend, moves) {
    moves.take_workspace();
    if (!measure) params.initialise(7);
  }
  Sharding sharding;
  Params<float> params;
  std::unique_ptr<Backend<float>> backend;
  Arena<float> arena;
  Moves<float> moves;
  Layer<float> layer;
  Watch<float> watch;
};

// Runs forward and backward twice, since layers share memory under way; the second run counts.
inline LayerResult run_on_ranks(const LayerCase& one, const LayerInput& in) {
  const LayerShapes shapes = shapes_of(one);
  const Shape &x_shape = shapes.input.shape, &y_shape = shapes.output.shape;
  const auto ranks = static_cast<size_t>(ranks_of(one.cuts));
  std::vector<std::vector<float>> y(ranks), dx(ranks), dw(ranks);
  run_local_ranks(static_cast<int>(ranks), [&](Channel& world) {
    LayerRank own(one, &world, world.rank(), false);
    const auto me = static_cast<size_t>(world.rank());
    const NodeShape nodes = own.sharding.nodes(one.channels);
    const Layout &home = own.sharding.home(), in_home = same_cuts(home, nodes, shapes.input),
                 out_home = same_cuts(home, nodes, shapes.output);
    const std::vector<float> x = slice(x_shape, in_home.box(x_shape, world.rank()), in.x);
    const std::vector<float> dy = slice(y_shape, out_home.box(y_shape, world.rank()), in.dy);
    ASSERT(own.layer.input().elements() == static_cast<std::int64_t>(x.size()) &&
               own.layer.output().elements() == static_cast<std::int64_t>(dy.size()),
           "a layer's ends");
    for (int repeat = 0; repeat < 2; ++repeat) {
      y[me].assign(dy.size(), 99);
      dx[me].assign(x.size(), 99);
      own.params.zero_grads();
      own.layer.forward(x.data(), y[me].data());
      own.layer.backward(x.data(), dy.data(), dx[me].data());
    }
    dw[me].assign(own.params.grads().begin(), own.params.grads().end());
  });
  LayerResult all;
  all.y.assign(in.dy.size(), 77);
  all.dx.assign(in.x.size(), 77);
  for (size_t rank = 0; rank < ranks; ++rank) {
    const LayerRank planned(one, nullptr, static_cast<int>(rank), true);
    const NodeShape nodes = planned.sharding.nodes(one.channels);
    const Layout &home = planned.sharding.home(), in_home = same_cuts(home, nodes, shapes.input),
                 out_home = same_cuts(home, nodes, shapes.output);
    put(x_shape, in_home.box(x_shape, static_cast<int>(rank)), dx[rank].data(), false, all.dx);
    put(y_shape, out_home.box(y_shape, static_cast<int>(rank)), y[rank].data(), false, all.y);
    for (size_t i = 0; i < planned.params.all().size(); ++i) {
      const Param<float>& param = planned.params.all()[i];
      const Shape shape = param.spec.shape();
      if (rank == 0) all.dw.emplace_back(static_cast<size_t>(elements(shape)), 0.0);
      put(shape, param.box, dw[rank].data() + param.offset, true, all.dw[i]);
    }
  }
  return all;
}

}  // namespace ortho
