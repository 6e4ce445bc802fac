// A causal dense map token by token against the whole map.
#include <gtest/gtest.h>

#include <vector>

#include "core/random.h"
#include "tensor/backend.h"

namespace ortho {
namespace {

template <class T>
std::vector<T> drawn(std::int64_t count, const char* name) {
  const Random random(1, name);
  std::vector<T> values;
  for (std::int64_t i = 0; i < count; ++i)
    values.push_back(static_cast<T>(random.normal(static_cast<std::uint64_t>(i))));
  return values;
}

template <class T>
void check(const DenseMap& map) {
  const auto backend = make_cpu_backend<T>(1);
  const Nodes nodes = input_nodes(map);
  const std::int64_t row = nodes.batch * nodes.channels;
  const std::vector<T> x = drawn<T>(nodes.elements(), "x");
  const std::vector<T> w = drawn<T>(elements(weight_shape(map)), "w");
  std::vector<T> whole = drawn<T>(nodes.elements(), "y"), tokens = whole;
  backend->dense(map, x.data(), w.data(), whole.data(), true);
  const std::int64_t stride = strides(map.tokens)[static_cast<size_t>(map.axis)];
  for (std::int64_t t = 0; t < nodes.tokens; ++t) {
    std::vector<const T*> inputs;
    for (std::int64_t d = 0; d < map.size() && t >= d * stride; ++d)
      inputs.push_back(x.data() + (t - d * stride) * row);
    backend->dense_token(map, t, inputs, w.data(), tokens.data() + t * row, true);
  }
  EXPECT_EQ(whole, tokens) << "axis " << map.axis << " weights " << static_cast<int>(map.weights)
                           << " order " << static_cast<int>(map.order) << " batch " << map.batch;
}

// With everything that a causal map may have besides.
void check_all(DenseMap map) {
  for (const std::int64_t radius : {0, 1, 2})
    for (const bool self : {true, false})
      for (const std::int64_t groups : {0, 2, 3}) {
        map.radius = radius;
        map.self = self;
        map.groups = groups;
        for (const bool halves : {false, true}) {
          map.in_halves = map.out_halves = halves;
          check<float>(map);
          check<double>(map);
        }
      }
}

// The same sums in the same order: the same bits. 5 x 24 nodes leave a rest of every vector width.
TEST(DenseToken, EqualsTheWholeMap) {
  for (const Weights weights :
       {Weights::shared, Weights::separate, Weights::by_position, Weights::per_channel})
    for (const Order order : {Order::batch_inner, Order::channels_inner})
      for (const std::int64_t batch : {1, 5})
        for (int axis = 0; axis < 3; ++axis) {
          const Shape tokens = {2, 4, 3};
          const DenseMap map = {tokens,  batch,         24,
                                order,   axis,          tokens[static_cast<size_t>(axis)],
                                weights, Wiring::causal};
          check_all(map);
        }
}

}  // namespace
}  // namespace ortho
