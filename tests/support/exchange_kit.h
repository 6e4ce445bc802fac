// Exchanges against their definition, element by element: called on each rank by exchange.test.cc
// (threads) and exchange.mpitest.cc (processes). Cases follow from (seed, number) alone, so all
// ranks draw the same. Values are whole numbers, so sums are exact in any order.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "comm/exchange.h"
#include "core/error.h"
#include "core/random.h"

namespace ortho::test {

struct MoveCase {
  NodeShape nodes;
  Layout from, to;
};

inline std::string case_text(const MoveCase& one) {
  return text(shape_text(one.nodes.shape), ": ", layout_text(one.nodes, one.from), " -> ",
              layout_text(one.nodes, one.to));
}

class Draw {
 public:
  Draw(std::uint64_t seed, std::uint64_t number) : random_(seed, "exchange case", number) {}
  int below(int bound) {
    return static_cast<int>(random_.below(next_++, static_cast<std::uint64_t>(bound)));
  }

 private:
  Random random_;
  std::uint64_t next_ = 0;
};

// `ranks` as a product of one to three factors, 1 among them at times.
inline Mesh draw_mesh(Draw& draw, int ranks) {
  std::vector<MeshAxis> axes;
  for (int rest = ranks; axes.size() < 2 && draw.below(3) > 0;) {
    std::vector<int> divisors;
    for (int d = 1; d <= rest; ++d)
      if (rest % d == 0) divisors.push_back(d);
    axes.push_back({text("m", axes.size()),
                    divisors[static_cast<size_t>(draw.below(static_cast<int>(divisors.size())))]});
    rest /= axes.back().ranks;
    ranks = rest;
  }
  axes.push_back({text("m", axes.size()), ranks});
  return Mesh(axes);
}

// One to three token axes; extents 1, 2, odd, below the ranks, so parts may be empty.
inline NodeShape draw_nodes(Draw& draw) {
  const auto size = [&] { return std::int64_t{1 + draw.below(7)}; };
  Shape tokens(static_cast<size_t>(1 + draw.below(3)));
  for (std::int64_t& extent : tokens) extent = size();
  const Order order = draw.below(2) == 0 ? Order::channels_inner : Order::batch_inner;
  return node_shape(tokens, size(), size(), order);
}

inline Layout draw_layout(Draw& draw, const Mesh& mesh, const NodeShape& nodes) {
  std::vector<int> cuts;
  for (size_t m = 0; m < mesh.axes().size(); ++m)
    cuts.push_back(draw.below(static_cast<int>(nodes.shape.size()) + 1) - 1);
  return {mesh, cuts};
}

inline MoveCase draw_move(std::uint64_t seed, std::uint64_t number, int ranks) {
  Draw draw(seed, number);
  const Mesh mesh = draw_mesh(draw, ranks);
  const NodeShape nodes = draw_nodes(draw);
  return {nodes, draw_layout(draw, mesh, nodes), draw_layout(draw, mesh, nodes)};
}

// An array of poison between guards.
class Guarded {
 public:
  explicit Guarded(std::int64_t count)
      : values_(static_cast<size_t>(count + 2 * kGuards), kGuard), count_(count) {
    std::fill_n(data(), count, std::numeric_limits<float>::quiet_NaN());
  }
  explicit Guarded(const std::vector<float>& values)
      : Guarded(static_cast<std::int64_t>(values.size())) {
    std::copy(values.begin(), values.end(), data());
  }
  float* data() { return values_.data() + kGuards; }
  std::span<float> span() { return {data(), static_cast<size_t>(count_)}; }
  std::vector<float> values() { return {data(), data() + count_}; }
  bool intact() const {
    const auto guard = [](float value) { return value == kGuard; };
    return std::all_of(values_.begin(), values_.begin() + kGuards, guard) &&
           std::all_of(values_.end() - kGuards, values_.end(), guard);
  }

 private:
  static constexpr int kGuards = 16;
  static constexpr float kGuard = -12345.5f;
  std::vector<float> values_;
  std::int64_t count_;
};

// Calls act(index) for every element of the box, row-major.
template <class Act>
void for_each_index(const Box& box, Act act) {
  if (is_empty(box)) return;
  const Shape size = extent(box);
  for (std::int64_t i = 0; i < elements(size); ++i) {
    Index at = box.lo;
    std::int64_t rest = i;
    for (size_t axis = size.size(); axis-- > 0; rest /= size[axis]) at[axis] += rest % size[axis];
    act(at);
  }
}

inline std::int64_t linear(const Shape& shape, const Index& at) {
  std::int64_t index = 0;
  for (size_t axis = 0; axis < shape.size(); ++axis) index = index * shape[axis] + at[axis];
  return index;
}

inline bool contains(const Box& box, const Index& at) {
  for (size_t axis = 0; axis < at.size(); ++axis)
    if (at[axis] < box.lo[axis] || at[axis] >= box.hi[axis]) return false;
  return true;
}

// The values of `box` of the array whose elements are their own global linear index.
inline std::vector<float> numbered(const Shape& shape, const Box& box) {
  std::vector<float> values;
  for_each_index(box,
                 [&](const Index& at) { values.push_back(static_cast<float>(linear(shape, at))); });
  return values;
}

inline float mark(int rank, std::int64_t index) {
  return static_cast<float>((rank * 7 + index * 3) % 13 - 6);
}

// Runs one way twice, the second time with the workspace of the first, and once more onto ones.
inline void check_way(Exchange<float>& exchange, Way way, const std::vector<float>& from,
                      const std::vector<float>& expected) {
  Guarded source(from), workspace(exchange.plan().workspace());
  for (int repeat = 0; repeat < 2; ++repeat) {
    Guarded result(static_cast<std::int64_t>(expected.size()));
    exchange.start(way, source.data(), result.data(), Fill::over, workspace.span());
    exchange.progress();
    exchange.finish();
    EXPECT_EQ(result.values(), expected) << exchange.what();
    EXPECT_TRUE(result.intact() && workspace.intact() && source.intact()) << exchange.what();
  }
  EXPECT_EQ(source.values(), from) << exchange.what();
  std::vector<float> onto(expected.size(), 1.0f), sum = expected;
  for (float& value : sum) value += 1;
  Guarded result(onto);
  exchange.run(way, source.data(), result.data(), Fill::add, workspace.span());
  EXPECT_EQ(result.values(), sum) << exchange.what();
  EXPECT_TRUE(result.intact() && workspace.intact()) << exchange.what();
}

// <T x, y> == <x, T* y>, summed over all ranks.
inline void check_adjoint(Channel& channel, Exchange<float>& exchange, std::uint64_t number) {
  const auto whole_numbers = [&](const char* name, const Shape& shape) {
    const Random random(number, name, static_cast<std::uint64_t>(channel.rank()));
    std::vector<float> values(static_cast<size_t>(elements(shape)));
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>(static_cast<int>(random.below(i, 7)) - 3);
    return values;
  };
  const std::vector<float> x = whole_numbers("x", exchange.plan().source.shape);
  const std::vector<float> y = whole_numbers("y", exchange.plan().target.shape);
  std::vector<float> tx(y.size()), ty(x.size());
  Guarded workspace(exchange.plan().workspace());
  exchange.run(Way::forward, x.data(), tx.data(), Fill::over, workspace.span());
  exchange.run(Way::backward, y.data(), ty.data(), Fill::over, workspace.span());
  std::array<double, 2> products{};
  for (size_t i = 0; i < y.size(); ++i) products[0] += static_cast<double>(tx[i] * y[i]);
  for (size_t i = 0; i < x.size(); ++i) products[1] += static_cast<double>(x[i] * ty[i]);
  channel.sum(std::span<double>(products));
  EXPECT_EQ(products[0], products[1]) << exchange.what();
}

// The counters are what the plan says, times the runs.
inline void check_count(const Exchange<float>& exchange) {
  for (const Way way : {Way::forward, Way::backward}) {
    const ExchangeCount& count = exchange.count(way);
    EXPECT_EQ(count.bytes, count.runs * exchange.plan().sent_bytes(way)) << exchange.what();
    EXPECT_EQ(count.messages, count.runs * exchange.plan().sent_messages(way)) << exchange.what();
    EXPECT_EQ(count.runs, 4) << exchange.what();
  }
}

inline void check_move(Channel& channel, const MoveCase& one, std::uint64_t number) {
  const Shape& shape = one.nodes.shape;
  const int rank = channel.rank();
  const Box source = one.from.box(shape, rank), target = one.to.box(shape, rank);
  Exchange<float> exchange(plan_exchange(shape, one.from, one.to, rank, sizeof(float)), channel,
                           case_text(one));
  check_way(exchange, Way::forward, numbered(shape, source), numbered(shape, target));

  // Backward by its definition: all targets filled from this rank's elements give theirs back.
  std::vector<float> marks, expected;
  for_each_index(target, [&](const Index& at) { marks.push_back(mark(rank, linear(shape, at))); });
  const Mesh& mesh = one.from.mesh();
  for_each_index(source, [&](const Index& at) {
    float sum = 0;
    for (int taker = 0; taker < mesh.ranks(); ++taker) {
      bool takes = contains(one.to.box(shape, taker), at);
      for (size_t m = 0; m < mesh.axes().size(); ++m)
        takes = takes && (one.from.cuts()[m] != kReplicates ||
                          mesh.coordinate(taker)[m] == mesh.coordinate(rank)[m]);
      if (takes) sum += mark(taker, linear(shape, at));
    }
    expected.push_back(sum);
  });
  check_way(exchange, Way::backward, marks, expected);
  check_adjoint(channel, exchange, number);
  check_count(exchange);
}

// Runs of 64 KB and more on up to 4 ranks: above MPI's eager size, and sent without packing.
inline void check_long_runs(Channel& channel) {
  const Mesh mesh({{"m", channel.ranks()}});
  const NodeShape nodes = node_shape({6, 8}, 256, 32, Order::batch_inner);
  const Layout cut(mesh, {0}), lines(mesh, {1}), channels(mesh, {2}), all(mesh, {kReplicates});
  check_move(channel, {nodes, cut, lines}, 0);
  check_move(channel, {nodes, lines, cut}, 1);
  check_move(channel, {nodes, cut, channels}, 2);
  check_move(channel, {nodes, cut, all}, 3);
}

struct HaloCase {
  NodeShape nodes;
  Layout layout;
  Halo halo;
};

// Axes inside the taps' one may be cut, those from `first` to it only at `first`.
inline HaloCase draw_halo(std::uint64_t seed, std::uint64_t number, int ranks) {
  Draw draw(seed, number);
  const Mesh mesh = draw_mesh(draw, ranks);
  const NodeShape nodes = draw_nodes(draw);
  Halo halo;
  halo.last = draw.below(nodes.token_axes());
  halo.first = draw.below(halo.last + 1);
  std::vector<int> cuts = draw_layout(draw, mesh, nodes).cuts();
  for (int& cut : cuts)
    if (cut > halo.first && cut <= halo.last) cut = halo.first;
  const auto axis = static_cast<size_t>(halo.first);
  const std::int64_t step = flat_shape(nodes, halo.first, halo.last)[axis] / nodes.shape[axis];
  halo.rows = draw.below(static_cast<int>(step) + 1);
  return {nodes, Layout(mesh, cuts), halo};
}

// Row q of an outer coordinate is row (first own one - reach + q) in the order of all rows; the
// coordinates inside the taps' axis stay.
inline std::vector<float> halo_rows(const HaloCase& one, int rank) {
  const Shape flat = flat_shape(one.nodes, one.halo.first, one.halo.last);
  const Box own =
      flat_box(one.nodes, one.halo.first, one.halo.last, one.layout.box(one.nodes.shape, rank));
  const auto axis = static_cast<size_t>(one.halo.first);
  Box rows = own;
  rows.lo[axis] -= one.halo.rows;
  rows.hi[axis] = own.lo[axis];
  std::vector<float> values;
  for_each_index(rows, [&](const Index& at) {
    Index start = at;  // of the row's count; row -1 is the last of the outer coordinate before
    start[axis] = 0;
    const std::int64_t element = linear(flat, start) + at[axis] * strides(flat)[axis];
    values.push_back(is_empty(own) || element < 0 ? 0.0f : static_cast<float>(element));
  });
  return values;
}

inline void check_halo(Channel& channel, const HaloCase& one, std::uint64_t number) {
  const Box own = one.layout.box(one.nodes.shape, channel.rank());
  Exchange<float> exchange(
      plan_halo(one.nodes, one.layout, one.halo, channel.rank(), sizeof(float)), channel,
      text("halo of ", one.halo.rows, " on s_", one.halo.first + 1, " to s_", one.halo.last + 1,
           ", ", shape_text(one.nodes.shape), ": ", layout_text(one.nodes, one.layout)));
  check_way(exchange, Way::forward, numbered(one.nodes.shape, own), halo_rows(one, channel.rank()));
  check_adjoint(channel, exchange, number);
}

}  // namespace ortho::test
