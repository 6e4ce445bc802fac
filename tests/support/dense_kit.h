// Dense maps of every kind, and what each must give by its definition.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "tensor/cpu/dense.h"
#include "tests/support/dense_terms.h"

namespace ortho {

inline constexpr Order kOrders[] = {Order::batch_inner, Order::channels_inner};

struct Wired {
  Wiring wiring;
  Weights weights;
};
inline constexpr Wired kWired[] = {
    {Wiring::grid, Weights::separate},           {Wiring::grid, Weights::shared},
    {Wiring::grid_causal, Weights::separate},    {Wiring::grid_causal, Weights::shared},
    {Wiring::causal, Weights::separate},         {Wiring::causal, Weights::shared},
    {Wiring::causal, Weights::by_position},      {Wiring::grid, Weights::per_channel},
    {Wiring::grid_causal, Weights::per_channel}, {Wiring::causal, Weights::per_channel},
};

inline DenseMap make(const Shape& tokens, std::int64_t channels, std::int64_t batch, int axis,
                     const Wired& wired, Order order) {
  DenseMap map{tokens, batch, channels, order, axis, 1, wired.weights, wired.wiring};
  map.out = map.size();
  return map;
}

// Every axis of a grid in every wiring and both orders.
inline std::vector<DenseMap> every_map(const Shape& tokens, std::int64_t channels,
                                       std::int64_t batch) {
  std::vector<DenseMap> maps;
  for (int axis = 0; axis <= static_cast<int>(tokens.size()); ++axis)
    for (const Wired& wired : kWired)
      for (const Order order : kOrders) {
        const bool channel_axis = axis == static_cast<int>(tokens.size());
        if (channel_axis && wired.wiring != Wiring::grid) continue;
        if (channel_axis && wired.weights == Weights::per_channel) continue;
        maps.push_back(make(tokens, channels, batch, axis, wired, order));
      }
  return maps;
}

inline std::string describe(const DenseMap& map) {
  return text("tokens ", shape_text(map.tokens), " C ", map.channels, " B ", map.batch, " axis ",
              map.axis, " out ", map.out, " weights ", static_cast<int>(map.weights), " wiring ",
              static_cast<int>(map.wiring), " order ", static_cast<int>(map.order), " groups ",
              map.groups, " halves ", map.in_halves, map.out_halves, " radius ", map.radius,
              " self ", map.self);
}

// x, w, dy of one map and what the three operations must give, from the definition.
template <class T>
struct Case {
  DenseMap map;
  Nodes in, out;
  std::vector<T> x, w, dy, y, dx, dw;

  explicit Case(const DenseMap& m) : map(m), in(input_nodes(m)), out(output_nodes(m)) {
    const std::int64_t weights = elements(weight_shape(map));
    x = whole_numbers<T>(in.elements(), 1);
    w = whole_numbers<T>(weights, 2);
    dy = whole_numbers<T>(out.elements(), 3);
    y.assign(dy.size(), 0);
    dx.assign(x.size(), 0);
    dw.assign(w.size(), 0);
    for (const Term& term : dense_terms(map))
      for (std::int64_t b = 0; b < map.batch; ++b) {
        const size_t o = place(out, term.out, b), i = place(in, term.in, b);
        const auto at = static_cast<size_t>(term.weight);
        y[o] += w[at] * x[i];
        dx[i] += w[at] * dy[o];
        dw[at] += x[i] * dy[o];
      }
  }
};

// Whole numbers, so the order of the sums does not matter and the comparison is ==.
template <class T>
void expect_exact(const DenseMap& map) {
  SCOPED_TRACE(describe(map));
  const Case<T> c(map);
  for (const bool add : {false, true}) {
    std::vector<T> y(c.y.size(), T(5)), dx(c.dx.size(), T(5)), dw(c.dw.size(), T(5));
    cpu_dense(map, c.x.data(), c.w.data(), y.data(), add);
    cpu_dense_dx(map, c.dy.data(), c.w.data(), dx.data(), add);
    cpu_dense_dw(map, c.x.data(), c.dy.data(), dw.data());
    const T before = add ? T(5) : T(0);
    for (size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], c.y[i] + before) << "y " << i;
    for (size_t i = 0; i < dx.size(); ++i) ASSERT_EQ(dx[i], c.dx[i] + before) << "dx " << i;
    for (size_t i = 0; i < dw.size(); ++i) ASSERT_EQ(dw[i], c.dw[i] + T(5)) << "dw " << i;
  }
}

}  // namespace ortho
