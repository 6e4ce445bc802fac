// Sums of dense maps, block by block, against their definition and against the maps one by one.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "core/random.h"
#include "tensor/backend.h"
#include "tensor/cpu/dense_blocks.h"
#include "tests/support/dense_kit.h"
#include "tests/support/errors.h"

namespace ortho {
namespace {

// The maps of all axes, the channels' too.
std::vector<DenseMap> all_axes(const Shape& tokens, std::int64_t channels, std::int64_t batch,
                               const Wired& wired = {Wiring::grid, Weights::separate},
                               Order order = Order::batch_inner) {
  std::vector<DenseMap> maps;
  for (int axis = 0; axis <= static_cast<int>(tokens.size()); ++axis)
    maps.push_back(make(tokens, channels, batch, axis, wired, order));
  return maps;
}

template <class T>
struct Sum {
  std::vector<DenseMap> maps;
  std::vector<T> x, dy, y, dx;
  std::vector<std::vector<T>> w, dw, first, second;

  // `fill(count, seed)` makes numbers.
  template <class Fill>
  Sum(const std::vector<DenseMap>& all, Fill fill) : maps(all) {
    x = fill(input_nodes(maps[0]).elements(), 1);
    dy = fill(input_nodes(maps[0]).elements(), 2);
    y = dx = std::vector<T>(x.size(), T(3));
    for (size_t i = 0; i < maps.size(); ++i) {
      w.push_back(fill(elements(weight_shape(maps[i])), 3 + i));
      for (auto* arrays : {&dw, &first, &second}) arrays->emplace_back(w.back().size(), T(0));
    }
  }
  std::vector<DenseTerm<T>> terms(const AdamwStep* update = nullptr) {
    std::vector<DenseTerm<T>> all;
    for (size_t i = 0; i < maps.size(); ++i)
      all.push_back({maps[i], w[i].data(), update ? nullptr : dw[i].data(), update, first[i].data(),
                     second[i].data()});
    return all;
  }
};

template <class T>
Sum<T> whole_sum(const std::vector<DenseMap>& maps) {
  return {maps,
          [](std::int64_t count, std::uint64_t seed) { return whole_numbers<T>(count, seed); }};
}
template <class T>
Sum<T> normal_sum(const std::vector<DenseMap>& maps) {
  return {maps,
          [](std::int64_t count, std::uint64_t seed) { return normal_numbers<T>(count, seed); }};
}

// Whole numbers: no order of sums matters and the comparison is ==.
template <class T>
void expect_definition(const std::vector<DenseMap>& maps) {
  SCOPED_TRACE(describe(maps[0]));
  const auto backend = make_cpu_backend<T>(2);
  for (const bool add : {false, true}) {
    Sum<T> s = whole_sum<T>(maps);
    std::vector<T> y(s.y.size(), add ? T(3) : T(0)), dx = y;
    const Nodes nodes = input_nodes(maps[0]);
    std::vector<std::vector<T>> dw = s.dw;
    for (size_t i = 0; i < maps.size(); ++i)
      for (const Term& term : dense_terms(maps[i]))
        for (std::int64_t b = 0; b < maps[i].batch; ++b) {
          const size_t out = place(nodes, term.out, b), in = place(nodes, term.in, b);
          const auto at = static_cast<size_t>(term.weight);
          y[out] += s.w[i][at] * s.x[in];
          dx[in] += s.w[i][at] * s.dy[out];
          dw[i][at] += s.x[in] * s.dy[out];
        }
    backend->dense_sum(s.terms(), s.x.data(), s.y.data(), add);
    backend->dense_sum_back(s.terms(), s.x.data(), s.dy.data(), s.dx.data(), add);
    EXPECT_EQ(s.y, y);
    EXPECT_EQ(s.dx, dx);
    for (size_t i = 0; i < maps.size(); ++i) EXPECT_EQ(s.dw[i], dw[i]) << "axis " << i;
  }
}

TEST(DenseSum, EqualsItsDefinitionForEveryBatchAndSize) {
  for (const std::int64_t batch : {1, 3, 8, 16, 24, 64})
    for (const Shape& tokens : {Shape{2, 3, 5}, Shape{1, 7}, Shape{2, 2, 2, 2}, Shape{}})
      for (const std::int64_t channels : {1, 2, 10}) {
        expect_definition<float>(all_axes(tokens, channels, batch));
        if (batch == 3 || batch == 16) expect_definition<double>(all_axes(tokens, channels, batch));
      }
}

TEST(DenseSum, EqualsItsDefinitionOnLongAxes) {
  for (const std::int64_t batch : {1, 16, 24}) {
    expect_definition<float>(all_axes({16, 31}, 3, batch));
    expect_definition<float>(all_axes({64}, 13, batch));
    expect_definition<float>(all_axes({3}, 67, batch));
  }
}

TEST(DenseSum, MixesMapsThatRunInBlocksWithOthers) {
  std::vector<DenseMap> maps = all_axes({4, 3}, 5, 8);
  maps[1].wiring = Wiring::causal;
  expect_definition<float>(maps);
  maps[2].weights = Weights::shared;
  expect_definition<float>(maps);
  expect_definition<float>(
      all_axes({4, 3}, 5, 8, {Wiring::grid, Weights::separate}, Order::channels_inner));
}

// The grids of one map, of several to a block, of pairs, and of both kinds.
std::vector<std::vector<DenseMap>> grids() {
  return {all_axes({12, 9}, 20, 33),  all_axes({2, 2, 2, 2, 2}, 2, 32), all_axes({2, 2, 2}, 6, 16),
          all_axes({10, 10}, 10, 32), all_axes({40}, 40, 64),           all_axes({2, 5, 2}, 2, 48)};
}

// Where a rank has some of the lines only, it runs maps alone and adds their terms itself.
TEST(DenseSum, HasTheBitsOfMapsThatRunAlone) {
  for (const auto& maps : grids()) {
    SCOPED_TRACE(describe(maps[0]));
    const auto backend = make_cpu_backend<float>(1);
    Sum<float> s = normal_sum<float>(maps), alone = s;
    backend->dense_sum(s.terms(), s.x.data(), s.y.data(), false);
    backend->dense_sum_back(s.terms(), s.x.data(), s.dy.data(), s.dx.data(), false);
    std::vector<float> y(s.y.size()), dx(s.dx.size());
    const auto terms = alone.terms();
    for (size_t i = 0; i < maps.size(); ++i) {
      backend->dense_sum({&terms[i], 1}, alone.x.data(), y.data(), false);
      backend->dense_sum_back({&terms[i], 1}, alone.x.data(), alone.dy.data(), dx.data(), false);
      for (size_t n = 0; n < y.size(); ++n) {
        alone.y[n] = i > 0 ? alone.y[n] + y[n] : y[n];
        alone.dx[n] = i > 0 ? alone.dx[n] + dx[n] : dx[n];
      }
    }
    EXPECT_EQ(s.y, alone.y);
    EXPECT_EQ(s.dx, alone.dx);
    EXPECT_EQ(s.dw, alone.dw);
  }
}

TEST(DenseSum, HasTheBitsOfTheMapsWithoutBlocks) {
  for (const auto& maps : grids()) {
    SCOPED_TRACE(describe(maps[0]));
    const auto backend = make_cpu_backend<float>(1);
    for (const DenseMap& map : maps) {
      Sum<float> s = normal_sum<float>({map});
      std::vector<float> y(s.y.size()), dx(s.dx.size());
      backend->dense_sum(s.terms(), s.x.data(), s.y.data(), false);
      backend->dense_sum_back(s.terms(), s.x.data(), s.dy.data(), s.dx.data(), false);
      backend->dense(map, s.x.data(), s.w[0].data(), y.data(), false);
      backend->dense_dx(map, s.dy.data(), s.w[0].data(), dx.data(), false);
      EXPECT_EQ(s.y, y);
      EXPECT_EQ(s.dx, dx);
    }
  }
}

// Lines with other lines beside them, or on another rank: the same numbers.
TEST(DenseSum, LinesDoNotDependOnWhichOthersThereAre) {
  const auto backend = make_cpu_backend<float>(1);
  for (const auto& [size, batch] : {std::pair{2, 32}, std::pair{5, 16}, std::pair{16, 24}}) {
    const std::vector<DenseMap> maps = all_axes({6, size}, size, batch);
    Sum<float> s = normal_sum<float>({maps[1], maps[2]});  // the axes that part 2 of 3 has whole
    backend->dense_sum(s.terms(), s.x.data(), s.y.data(), false);
    backend->dense_sum_back(s.terms(), s.x.data(), s.dy.data(), s.dx.data(), false);
    const std::vector<DenseMap> few = all_axes({2, size}, size, batch);
    Sum<float> part = normal_sum<float>({few[1], few[2]});
    const auto second_third = [](const std::vector<float>& all) {
      const auto third = static_cast<std::ptrdiff_t>(all.size() / 3);
      return std::vector<float>(all.begin() + third, all.begin() + 2 * third);
    };
    part.x = second_third(s.x);
    part.dy = second_third(s.dy);
    for (const size_t i : {size_t{0}, size_t{1}}) part.w[i] = second_third(s.w[i]);
    backend->dense_sum(part.terms(), part.x.data(), part.y.data(), false);
    backend->dense_sum_back(part.terms(), part.x.data(), part.dy.data(), part.dx.data(), false);
    EXPECT_EQ(part.y, second_third(s.y));
    EXPECT_EQ(part.dx, second_third(s.dx));
    for (const size_t i : {size_t{0}, size_t{1}}) EXPECT_EQ(part.dw[i], second_third(s.dw[i]));
  }
}

TEST(DenseSum, ThreadsDoNotChangeABit) {
  for (const auto& maps : grids()) {
    std::vector<Sum<float>> results;
    for (const int threads : {1, 2, 3}) {
      const auto backend = make_cpu_backend<float>(threads);
      results.push_back(normal_sum<float>(maps));
      Sum<float>& s = results.back();
      backend->dense_sum(s.terms(), s.x.data(), s.y.data(), false);
      backend->dense_sum_back(s.terms(), s.x.data(), s.dy.data(), s.dx.data(), false);
    }
    for (const size_t i : {size_t{1}, size_t{2}}) {
      EXPECT_EQ(results[0].y, results[i].y);
      EXPECT_EQ(results[0].dx, results[i].dx);
      EXPECT_EQ(results[0].dw, results[i].dw);
    }
  }
}

TEST(DenseSum, AnUpdateIsAdamOfTheStoredGradient) {
  const AdamwStep step{1e-2, 0.9, 0.999, 1e-8, 0.1, 0.7, 2};
  for (const auto& maps : grids()) {
    SCOPED_TRACE(describe(maps[0]));
    const auto backend = make_cpu_backend<float>(2);
    Sum<float> fused = normal_sum<float>(maps), stored = fused;
    for (int repeat = 0; repeat < 2; ++repeat) {
      backend->dense_sum_back(fused.terms(&step), fused.x.data(), fused.dy.data(), fused.dx.data(),
                              false);
      for (auto& dw : stored.dw) std::fill(dw.begin(), dw.end(), 0.0f);
      backend->dense_sum_back(stored.terms(), stored.x.data(), stored.dy.data(), stored.dx.data(),
                              false);
      for (size_t i = 0; i < maps.size(); ++i)
        backend->adamw(step, static_cast<std::int64_t>(stored.w[i].size()), stored.dw[i].data(),
                       stored.w[i].data(), stored.first[i].data(), stored.second[i].data());
    }
    EXPECT_EQ(fused.dx, stored.dx);
    EXPECT_EQ(fused.w, stored.w);
    EXPECT_EQ(fused.first, stored.first);
    EXPECT_EQ(fused.second, stored.second);
  }
}

TEST(DenseSum, TakesTheInputsPlace) {
  const std::vector<DenseMap> one = {
      make({6, 5}, 7, 16, 1, {Wiring::grid, Weights::separate}, Order::batch_inner)};
  const auto backend = make_cpu_backend<float>(2);
  Sum<float> s = normal_sum<float>(one), in_place = s;
  backend->dense_sum_back(s.terms(), s.x.data(), s.dy.data(), s.dx.data(), false);
  backend->dense_sum_back(in_place.terms(), in_place.x.data(), in_place.dy.data(),
                          in_place.x.data(), false);
  EXPECT_EQ(in_place.x, s.dx);
  EXPECT_EQ(in_place.dw, s.dw);
}

TEST(DenseSum, SaysWhichMapsItUpdates) {
  const auto backend = make_cpu_backend<float>(1);
  const auto map = [](const Wired& wired, Order order = Order::batch_inner) {
    return make({4, 3}, 5, 8, 1, wired, order);
  };
  EXPECT_TRUE(backend->updates_in_sum(map({Wiring::grid, Weights::separate})));
  EXPECT_FALSE(backend->updates_in_sum(map({Wiring::grid, Weights::shared})));
  EXPECT_FALSE(backend->updates_in_sum(map({Wiring::causal, Weights::separate})));
  EXPECT_FALSE(
      backend->updates_in_sum(map({Wiring::grid, Weights::separate}, Order::channels_inner)));
  Sum<float> s = normal_sum<float>({map({Wiring::grid, Weights::shared})});
  const AdamwStep step{};
  const auto terms = s.terms(&step);
  EXPECT_NE(
      message_of(
          [&] { backend->dense_sum_back(terms, s.x.data(), s.dy.data(), s.dx.data(), false); },
          ErrorKind::internal)
          .find("this backend keeps gradients"),
      std::string::npos);
}

TEST(DenseBlocks, AreSmallAndHoldEveryPlaceOnce) {
  for (const auto& maps : {all_axes({16, 16, 16}, 16, 64), all_axes(Shape(15, 2), 2, 64),
                           all_axes({10, 10, 10, 10}, 10, 32), all_axes({256}, 256, 64)}) {
    size_t terms = 0;
    for (const DenseBlocks& b : dense_blocks(maps, 4, 1 << 19)) {
      EXPECT_EQ(b.first, terms);
      terms += b.count;
      EXPECT_EQ(b.outer * b.rows * b.inner * b.batch, input_nodes(maps[0]).elements());
      EXPECT_GE(b.cuts() * b.chunk, b.inner);
      EXPECT_LT((b.cuts() - 1) * b.chunk, b.inner);
      EXPECT_LE(b.room(), 1 << 19);
      for (const BlockAxis& axis : b.axes) EXPECT_EQ(b.rows % (axis.size * axis.step), 0);
    }
    EXPECT_EQ(terms, maps.size());
  }
  EXPECT_TRUE(dense_blocks(all_axes({256}, 256, 64), 4, 1000).empty());
}

}  // namespace
}  // namespace ortho
