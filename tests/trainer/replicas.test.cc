// Sums over replicas and updates of own parts: ranks as threads against one rank that has it all.
#include "trainer/replicas.h"

#include <gtest/gtest.h>

#include <cmath>
#include <mutex>

#include "comm/local.h"
#include "trainer/optimizer.h"

namespace ortho {
namespace {

ParamSpec weight(const std::string& name, Shape shape, bool decay) {
  ParamSpec spec{name, {}, Role::map, {Initial::normal, 1}, decay};
  for (const std::int64_t size : shape) spec.dims.push_back({DimKind::channel, size});
  return spec;
}

// Held by all, cut along one axis, along both, and so small that some ranks own nothing of it.
struct Case {
  Mesh mesh;
  std::vector<ParamSpec> specs = {weight("all", {5, 7}, true), weight("x", {6, 3}, true),
                                  weight("xy", {7, 5, 2}, false), weight("tiny", {1}, false)};
  std::vector<Layout> layouts() const {
    const bool two = mesh.axes().size() == 2;
    const auto cuts = [&](int first, int second) {
      return Layout(mesh, two ? std::vector{first, second} : std::vector{first});
    };
    return {cuts(kReplicates, kReplicates), cuts(0, kReplicates), cuts(1, 0),
            cuts(kReplicates, kReplicates)};
  }
};

std::vector<Case> cases() {
  return {{Mesh({{"x", 1}})},
          {Mesh({{"x", 3}})},
          {Mesh({{"x", 2}, {"y", 2}})},
          {Mesh({{"x", 2}, {"y", 3}})},
          {Mesh({{"x", 5}})}};
}

// A partial gradient of a global element: small integers, whose sums are exact in any order.
double partial(const ParamSpec& spec, std::int64_t element, int rank) {
  return static_cast<double>(
             (element * 7 + rank * 5 + static_cast<std::int64_t>(spec.name.size())) % 11) -
         5;
}

template <class Act>
void for_each_held(Params<double>& params, Act act) {
  for (Param<double>& param : params.all()) {
    std::int64_t local = 0;
    for_each_run(param.spec.shape(), param.box, [&](std::int64_t first, std::int64_t count) {
      for (std::int64_t i = first; i < first + count; ++i) act(param, i, local++);
    });
  }
}

TEST(Replicas, OwnPartsHoldTheSumAndValuesSpread) {
  for (const Case& one : cases())
    run_local_ranks(one.mesh.ranks(), [&](Channel& world) {
      Params<double> params(one.specs, one.layouts(), world.rank());
      const auto layouts = one.layouts();
      for_each_held(params, [&](Param<double>& param, std::int64_t i, std::int64_t local) {
        param.grad[local] = partial(param.spec, i, world.rank());
        param.value[local] = -1;
      });
      Replicas<double> replicas(world, params);
      replicas.sum_gradients();
      for_each_held(params, [&](Param<double>& param, std::int64_t i, std::int64_t local) {
        const Range own = params.own(param);
        if (local < own.lo || local >= own.hi) return;
        double sum = 0;
        for (const int rank : params.groups()[param.group].replicas)
          sum += partial(param.spec, i, rank);
        EXPECT_EQ(param.grad[local], sum) << param.spec.name << ' ' << i;
        param.value[local] = static_cast<double>(100 * i);
      });
      replicas.spread_values();
      for_each_held(params, [&](Param<double>& param, std::int64_t i, std::int64_t local) {
        EXPECT_EQ(param.value[local], static_cast<double>(100 * i)) << param.spec.name;
      });
      const SumTraffic planned = planned_traffic(params.groups(), world.rank(), sizeof(double));
      EXPECT_EQ(replicas.traffic().bytes, planned.bytes);
      EXPECT_EQ(replicas.traffic().messages, planned.messages);
    });
}

TEST(Replicas, LargeGroupsGoInChunks) {
  constexpr std::int64_t kCount = 1'500'001;
  run_local_ranks(3, [&](Channel& world) {
    const Layout everywhere(Mesh({{"x", 3}}), {kReplicates});
    Params<float> params({weight("w", {kCount}, true)}, {everywhere}, world.rank());
    for (std::int64_t i = 0; i < kCount; ++i)
      params.grads()[static_cast<size_t>(i)] = static_cast<float>(i % 1000 + world.rank());
    Replicas<float> replicas(world, params);
    replicas.sum_gradients();
    const Range own = params.groups()[0].own;
    std::int64_t wrong = 0;
    for (std::int64_t i = own.lo; i < own.hi; ++i)
      wrong += params.grads()[static_cast<size_t>(i)] != static_cast<float>(3 * (i % 1000) + 3);
    EXPECT_EQ(wrong, 0);
    replicas.spread_values();
    const SumTraffic planned = planned_traffic(params.groups(), world.rank(), sizeof(float));
    EXPECT_EQ(replicas.traffic().bytes, planned.bytes);
    EXPECT_EQ(replicas.traffic().messages, planned.messages);
  });
}

// Values after three steps of AdamW, by name and global element; regions cut the weight "xy".
using Values = std::map<std::pair<std::string, std::int64_t>, double>;

Values train(const Case& one) {
  Values values;
  std::mutex mutex;
  run_local_ranks(one.mesh.ranks(), [&](Channel& world) {
    Params<double> params(one.specs, one.layouts(), world.rank());
    params.initialise(3);
    const auto backend = make_cpu_backend<double>(1);
    const OptimizerConfig config;
    OptimizerState<double> state = fresh_state(config, params);
    EXPECT_EQ(state.first.size(), params.own_size());
    state.regions[2] = {{{{0, 0, 0}, {4, 5, 2}}, 9}, {{{4, 0, 0}, {7, 5, 2}}, 0}};
    Optimizer<double> optimizer(config, params, state);
    Replicas<double> replicas(world, params);
    for (int step = 0; step < 3; ++step) {
      for_each_held(params, [&](Param<double>& param, std::int64_t i, std::int64_t local) {
        const auto copies = static_cast<double>(params.groups()[param.group].replicas.size());
        param.grad[local] = std::sin(static_cast<double>(i + step)) / copies;
      });
      replicas.sum_gradients();
      optimizer.update(*backend, params, 0.1, 1);
      replicas.spread_values();
    }
    std::array<double, 1> squares = {own_sum_squares(*backend, params)};
    world.sum(std::span<double>(squares));
    const std::scoped_lock lock(mutex);
    values[{"norm", 0}] = squares[0];
    for_each_held(params, [&](Param<double>& param, std::int64_t i, std::int64_t local) {
      const auto [at, fresh] = values.try_emplace({param.spec.name, i}, param.value[local]);
      EXPECT_EQ(at->second, param.value[local]) << "replicas differ";
    });
  });
  return values;
}

TEST(Replicas, AnyMeshTrainsAsOneRank) {
  const Values expected = train(cases()[0]);
  for (const Case& one : cases()) {
    const Values values = train(one);
    ASSERT_EQ(values.size(), expected.size());
    // The parts of a gradient that was divided by the replicas add up to it but for rounding.
    for (const auto& [element, value] : expected)
      EXPECT_NEAR(values.at(element), value, 1e-9 * (1 + std::abs(value)))
          << element.first << ' ' << element.second << " on " << mesh_text(one.mesh);
  }
}

}  // namespace
}  // namespace ortho
