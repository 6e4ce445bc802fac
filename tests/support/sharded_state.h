// States of a run whose numbers say where they belong, on meshes that cut every weight anyhow.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "trainer/run_state.h"

namespace ortho {

// Which dimension, if any, each mesh axis cuts of each weight is drawn; sizes need not divide.
inline std::vector<Layout> some_layouts(const std::vector<ParamSpec>& specs, const Mesh& mesh,
                                        std::uint64_t seed) {
  std::vector<Layout> layouts;
  for (const ParamSpec& spec : specs) {
    const Random random(seed, "layout/" + spec.name);
    std::vector<int> cuts;
    std::vector<std::int64_t> parts(spec.dims.size(), 1);
    for (const MeshAxis& axis : mesh.axes()) {
      const size_t d = random.below(cuts.size(), spec.dims.size() + 1);
      const bool fits = d < spec.dims.size() && parts[d] * axis.ranks <= spec.dims[d].size;
      cuts.push_back(fits ? static_cast<int>(d) : kReplicates);
      if (fits) parts[d] *= axis.ranks;
    }
    layouts.emplace_back(mesh, cuts);
  }
  return layouts;
}

// An empty state of one rank of the mesh.
inline RunState state_on(const ModelSpec& spec, const Mesh& mesh, std::uint64_t seed, int rank) {
  RunState state(spec);
  const std::vector<ParamSpec> specs = param_specs(spec);
  state.params = Params<float>(specs, some_layouts(specs, mesh, seed), rank);
  state.optimizer = fresh_state(OptimizerConfig{}, state.params);
  return state;
}

// Numbers of one kind (weight, first, second) at a Box of a weight, the same on every mesh.
inline void put_numbers(const std::string& kind, const ParamSpec& spec, const Box& box,
                        float* out) {
  const Random random(7, kind + spec.name);
  for_each_run(spec.shape(), box, [&](std::int64_t first, std::int64_t count) {
    for (std::int64_t i = first; i < first + count; ++i)
      *out++ = static_cast<float>(random.normal(static_cast<std::uint64_t>(i)));
  });
}

inline void fill_state(RunState& state) {
  for (size_t p = 0; p < state.params.all().size(); ++p) {
    Param<float>& param = state.params.all()[p];
    put_numbers("weight/", param.spec, param.box, param.value);
    const Range own = state.params.own(param);
    std::int64_t at = own.size() > 0 ? state.params.moment_of(param, own.lo) : 0;
    for (const Box& box : boxes_of(param.box, own)) {
      put_numbers("first/", param.spec, box, &state.optimizer.first[at]);
      put_numbers("second/", param.spec, box, &state.optimizer.second[at]);
      at += elements(box);
    }
    Box head = whole(param.spec.shape()), tail = head;
    head.hi[0] = tail.lo[0] = 1;
    state.optimizer.regions[p] = {{head, 5}};
    if (!is_empty(tail)) state.optimizer.regions[p].push_back({tail, 9});
  }
}

// `all` holds every weight whole, `part` one rank's part of it: to the bit the same.
inline void expect_part_of(const RunState& all, const RunState& part) {
  const auto same = [](const float* whole_array, const Shape& shape, const Box& box,
                       const float* found) {
    std::vector<float> expected(static_cast<size_t>(elements(box)));
    copy_box(whole_array, shape, box, expected.data(), extent(box), Index(shape.size(), 0));
    return std::memcmp(expected.data(), found, expected.size() * sizeof(float)) == 0;
  };
  ASSERT_EQ(part.params.all().size(), all.params.all().size());
  EXPECT_EQ(part.optimizer.second.size() > 0, all.optimizer.second.size() > 0);
  for (size_t p = 0; p < all.params.all().size(); ++p) {
    const Param<float>&expected = all.params.all()[p], &param = part.params.all()[p];
    const Shape shape = expected.spec.shape();
    EXPECT_TRUE(same(expected.value, shape, param.box, param.value)) << param.spec.name;
    const Range own = part.params.own(param);
    std::int64_t at = own.size() > 0 ? part.params.moment_of(param, own.lo) : 0;
    for (const Box& box : boxes_of(param.box, own)) {
      for (const auto moment : {&OptimizerState<float>::first, &OptimizerState<float>::second}) {
        if ((all.optimizer.*moment).size() == 0) continue;
        EXPECT_TRUE(same((all.optimizer.*moment).data() + expected.offset, shape, box,
                         (part.optimizer.*moment).data() + at))
            << param.spec.name << ", moment";
      }
      at += elements(box);
    }
  }
  EXPECT_EQ(part.optimizer.regions, all.optimizer.regions);
}

}  // namespace ortho
