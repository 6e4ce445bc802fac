// A stack on the ranks of a mesh, against the same stack on one rank.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "comm/local.h"
#include "model/stack.h"
#include "model/watch.h"
#include "tests/support/params_kit.h"
#include "tests/support/stack_draw.h"

namespace ortho::test {

// The number with this index in the array of this name.
using Numbers = std::function<double(const std::string& name, std::int64_t index)>;

// Whole numbers that are not negative: inputs 0 to 3, one in `one_in` weights 1 and the others 0. No
// sum has a partial sum above it, so all are exact while the results are below 2^53.
inline Numbers whole_numbers(int one_in = 4) {
  return [one_in](const std::string& name, std::int64_t index) {
    const Random random(11, name);
    const bool weight = name.starts_with("block.");
    const auto draw = static_cast<double>(random.below(
        static_cast<std::uint64_t>(index), weight ? static_cast<std::uint64_t>(one_in) : 4));
    return weight ? (draw == 0 ? 1.0 : 0.0) : draw;
  };
}

// Whole numbers of which none is lost on the way through a chain of maps: weights 1 and 2.
inline double one_or_two(const std::string& name, std::int64_t index) {
  const bool weight = name.starts_with("block.");
  const auto draw = static_cast<double>(
      Random(13, name).below(static_cast<std::uint64_t>(index), weight ? 2 : 4));
  return weight ? 1 + draw : draw;
}

inline double small_real(const std::string& name, std::int64_t index) {
  const double draw = Random(12, name).normal(static_cast<std::uint64_t>(index));
  if (name.ends_with(".gain")) return 1 + 0.3 * draw;
  return name.starts_with("block.") ? 0.4 * draw : draw;
}

template <class T>
struct StackKit {
  StackKit(const StackCase& one, int rank, Channel* world, bool measure = false)
      : spec(one.spec),
        sharding(spec, one.windows, one.cuts, rank, one.order),
        params(param_specs(spec), param_layouts(spec, sharding), rank, measure),
        backend(make_cpu_backend<T>(1)),
        arena(measure),
        moves(sharding, world, arena),
        stack({spec, sharding, params, *backend, arena, moves}),
        watch(*backend, moves) {
    moves.take_workspace();
  }
  ModelSpec spec;
  Sharding sharding;
  Params<T> params;
  std::unique_ptr<Backend<T>> backend;
  Arena<T> arena;
  Moves<T> moves;
  Stack<T> stack;
  Watch<T> watch;
};

template <class T>
std::vector<T> whole_array(const Shape& shape, const std::string& name, const Numbers& numbers) {
  std::vector<T> values;
  for (std::int64_t i = 0; i < elements(shape); ++i)
    values.push_back(static_cast<T>(numbers(name, i)));
  return values;
}

template <class T>
std::vector<T> part_of(const Shape& shape, const Box& box, const std::vector<T>& values) {
  std::vector<T> part(static_cast<size_t>(elements(box)));
  copy_box(values.data(), shape, box, part.data(), extent(box), Index(shape.size(), 0));
  return part;
}

// What a rank has after a step: its part of the output and of the input's gradient, and its
// addends of the weights' gradients.
template <class T>
struct StackResult {
  std::vector<T> y, dx, dw;
};

// Forward and backward of the global arrays x and dy.
template <class T>
StackResult<T> run_stack(StackKit<T>& kit, const Numbers& numbers, const std::vector<T>& x,
                         const std::vector<T>& dy) {
  fill_params(kit.params, [&](const ParamSpec& spec) {
    return [&](std::int64_t index) { return numbers(spec.name, index); };
  });
  const Shape shape = kit.sharding.nodes(kit.spec.channels).shape;
  const Box box = kit.sharding.box(kit.sharding.home(), kit.spec.channels);
  const std::vector<T> own = part_of(shape, box, x);
  StackResult<T> result;
  result.dx = part_of(shape, box, dy);
  kit.params.zero_grads();
  std::copy(own.begin(), own.end(), kit.stack.input());
  kit.stack.forward({});
  result.y.assign(kit.stack.output(), kit.stack.output() + own.size());
  kit.stack.backward({}, result.dx.data());
  result.dw = whole_gradients(kit.params);
  return result;
}

template <class T>
double largest(const std::vector<T>& values) {
  double most = 0;
  for (const T value : values) most = std::max(most, std::abs(static_cast<double>(value)));
  return most;
}

// `share` of the largest number is what they may differ by; 0: equal.
template <class T>
void expect_close(const std::vector<T>& values, const std::vector<T>& truth, double share,
                  double scale, const std::string& what) {
  ASSERT_EQ(values.size(), truth.size()) << what;
  for (size_t i = 0; i < values.size(); ++i)
    ASSERT_LE(std::abs(static_cast<double>(values[i]) - static_cast<double>(truth[i])),
              share * scale)
        << what << ", element " << i << ": " << values[i] << " for " << truth[i];
}

// The stack on all ranks of the mesh equals that on one rank, twice in a row.
template <class T>
void check_stack(const StackCase& one, const Numbers& numbers, double share) {
  StackCase single = one;
  single.cuts = Cuts{};
  StackKit<T> kit(single, 0, nullptr);
  const Shape shape = kit.sharding.nodes(one.spec.channels).shape;
  const std::vector<T> x = whole_array<T>(shape, "x", numbers),
                       dy = whole_array<T>(shape, "dy", numbers);
  const StackResult<T> truth = run_stack(kit, numbers, x, dy);
  for (const double most : {largest(truth.y), largest(truth.dx), largest(truth.dw)}) {
    ASSERT_GT(most, 0) << case_text(one);
    if (share > 0) continue;
    ASSERT_LT(most, sizeof(T) == 4 ? 0x1p24 : 0x1p53) << case_text(one);
  }

  run_local_ranks(mesh_of(one.cuts).ranks(), [&](Channel& world) {
    StackKit<T> ranks(one, world.rank(), &world);
    const Box box = ranks.sharding.box(ranks.sharding.home(), one.spec.channels);
    for (int repeat = 0; repeat < 2; ++repeat) {
      StackResult<T> result = run_stack(ranks, numbers, x, dy);
      world.sum(std::span<T>(result.dw));
      const std::string where = text(case_text(one), ", rank ", world.rank(), ": ");
      expect_close(result.y, part_of(shape, box, truth.y), share, largest(truth.y),
                   where + "output");
      expect_close(result.dx, part_of(shape, box, truth.dx), share, largest(truth.dx),
                   where + "input gradient");
      expect_close(result.dw, truth.dw, share, largest(truth.dw), where + "weight gradient");
    }
  });
}

}  // namespace ortho::test
