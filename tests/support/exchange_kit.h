// Exchanges against their definition, element by element: called on each rank by exchange.test.cc
// (threads) and exchange.mpitest.cc (processes). Cases follow from (seed, number) alone, so all
// ranks draw the same. Values are whole numbers, so sums are exact in any order.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <thread>
#include <vector>

#include "comm/exchange.h"
#include "core/error.h"
#include "core/random.h"
#include "tests/support/exchange_memory.h"

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
inline void check_way(Exchange<float>& exchange, const Memory& memory, Way way,
                      const std::vector<float>& from, const std::vector<float>& expected) {
  const std::int64_t space = exchange.plan().workspace();
  Guarded source(from, memory.source(Guarded::with_guards(static_cast<std::int64_t>(from.size()))));
  Guarded workspace(space, memory.workspace(Guarded::with_guards(space)));
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
inline void check_adjoint(Channel& channel, Exchange<float>& exchange, const Memory& memory,
                          std::uint64_t number) {
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
  const std::int64_t space = exchange.plan().workspace();
  Guarded workspace(space, memory.workspace(Guarded::with_guards(space)));
  exchange.run(Way::forward, x.data(), tx.data(), Fill::over, workspace.span());
  exchange.run(Way::backward, y.data(), ty.data(), Fill::over, workspace.span());
  std::array<double, 2> products{};
  for (size_t i = 0; i < y.size(); ++i) products[0] += static_cast<double>(tx[i] * y[i]);
  for (size_t i = 0; i < x.size(); ++i) products[1] += static_cast<double>(x[i] * ty[i]);
  channel.sum(std::span<double>(products));
  EXPECT_EQ(products[0], products[1]) << exchange.what();
}

// The counters are what the plan says of each level, times the runs.
inline void check_count(Channel& channel, const Exchange<float>& exchange, const Memory& memory) {
  for (const Way way : {Way::forward, Way::backward}) {
    const ExchangeCount& count = exchange.count(way);
    const LevelTraffic sent = sent_traffic(
        exchange.plan(), way, memory.pulls() ? channel.nodes() : std::span<const int>{});
    EXPECT_EQ(count.bytes, count.runs * exchange.plan().sent_bytes(way)) << exchange.what();
    EXPECT_EQ(count.levels.node.bytes, count.runs * sent.node.bytes) << exchange.what();
    EXPECT_EQ(count.levels.network.bytes, count.runs * sent.network.bytes) << exchange.what();
    EXPECT_EQ(count.levels.node.messages, count.runs * sent.node.messages) << exchange.what();
    EXPECT_EQ(count.levels.network.messages, count.runs * sent.network.messages) << exchange.what();
    EXPECT_EQ(count.messages, count.levels.node.messages + count.levels.network.messages);
    EXPECT_EQ(count.runs, 4) << exchange.what();
  }
}

inline void check_move(Channel& channel, const MoveCase& one, const Memory& memory,
                       std::uint64_t number) {
  const Shape& shape = one.nodes.shape;
  const int rank = channel.rank();
  const Box source = one.from.box(shape, rank), target = one.to.box(shape, rank);
  Exchange<float> exchange(plan_exchange(shape, one.from, one.to, rank, sizeof(float)), channel,
                           case_text(one));
  check_way(exchange, memory, Way::forward, numbered(shape, source), numbered(shape, target));

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
  check_way(exchange, memory, Way::backward, marks, expected);
  check_adjoint(channel, exchange, memory, number);
  check_count(channel, exchange, memory);
}

inline void check_moves(Channel& channel, Ground ground, std::uint64_t seed, int cases) {
  const Memory memory(channel, ground);
  for (std::uint64_t number = 0; number < static_cast<std::uint64_t>(cases); ++number)
    check_move(channel, draw_move(seed, number, channel.ranks()), memory, number);
}

// Runs of 64 KB and more on up to 4 ranks: above MPI's eager size, and sent without packing.
inline void check_long_runs(Channel& channel, Ground ground) {
  const Memory memory(channel, ground);
  const Mesh mesh({{"m", channel.ranks()}});
  const NodeShape nodes = node_shape({6, 8}, 256, 32, Order::batch_inner);
  const Layout cut(mesh, {0}), lines(mesh, {1}), channels(mesh, {2}), all(mesh, {kReplicates});
  check_move(channel, {nodes, cut, lines}, memory, 0);
  check_move(channel, {nodes, lines, cut}, memory, 1);
  check_move(channel, {nodes, cut, channels}, memory, 2);
  check_move(channel, {nodes, cut, all}, memory, 3);
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
  halo.ahead = draw.below(2) == 0;
  return {nodes, Layout(mesh, cuts), halo};
}

// Row q of an outer coordinate is row (first own one - reach + q) in the order of all rows, or ahead
// row (last own one + 1 + q); the coordinates inside the taps' axis stay.
inline std::vector<float> halo_rows(const HaloCase& one, int rank) {
  const Shape flat = flat_shape(one.nodes, one.halo.first, one.halo.last);
  const Box own =
      flat_box(one.nodes, one.halo.first, one.halo.last, one.layout.box(one.nodes.shape, rank));
  const auto axis = static_cast<size_t>(one.halo.first);
  Box rows = own;
  if (!one.halo.ahead) rows.hi[axis] = own.lo[axis];
  if (one.halo.ahead) rows.lo[axis] = own.hi[axis];
  (one.halo.ahead ? rows.hi[axis] : rows.lo[axis]) +=
      one.halo.ahead ? one.halo.rows : -one.halo.rows;
  std::vector<float> values;
  for_each_index(rows, [&](const Index& at) {
    Index start = at;  // of the row's count; row -1 is the last of the outer coordinate before
    start[axis] = 0;
    const std::int64_t element = linear(flat, start) + at[axis] * strides(flat)[axis];
    const bool outside = element < 0 || element >= elements(flat);
    values.push_back(is_empty(own) || outside ? 0.0f : static_cast<float>(element));
  });
  return values;
}

inline void check_halo(Channel& channel, const HaloCase& one, const Memory& memory,
                       std::uint64_t number) {
  const Box own = one.layout.box(one.nodes.shape, channel.rank());
  Exchange<float> exchange(
      plan_halo(one.nodes, one.layout, one.halo, channel.rank(), sizeof(float)), channel,
      text("halo of ", one.halo.rows, " on s_", one.halo.first + 1, " to s_", one.halo.last + 1,
           ", ", shape_text(one.nodes.shape), ": ", layout_text(one.nodes, one.layout)));
  check_way(exchange, memory, Way::forward, numbered(one.nodes.shape, own),
            halo_rows(one, channel.rank()));
  check_adjoint(channel, exchange, memory, number);
}

inline void check_halos(Channel& channel, Ground ground, std::uint64_t seed, int cases) {
  const Memory memory(channel, ground);
  for (std::uint64_t number = 0; number < static_cast<std::uint64_t>(cases); ++number)
    check_halo(channel, draw_halo(seed, number, channel.ranks()), memory, number);
}

// One shared array as source, then overwritten, then as the target of the way back, hundreds of
// times with ranks that arrive at different moments: whoever reads too early or too late gets
// poison or the values of another round.
inline void check_reuse(Channel& channel, int rounds) {
  const NodeShape nodes = node_shape({4, 6}, 3, 8, Order::batch_inner);
  const Mesh mesh({{"m", channel.ranks()}});
  const Layout home(mesh, {0}), lines = Layout(mesh, {1});
  const int rank = channel.rank();
  const Box box = home.box(nodes.shape, rank), line_box = lines.box(nodes.shape, rank);
  Exchange<float> exchange(plan_exchange(nodes.shape, home, lines, rank, sizeof(float)), channel,
                           "reused");
  const std::int64_t size = elements(box), line_size = elements(line_box);
  const auto window = channel.share((size + line_size + exchange.plan().workspace()) *
                                    static_cast<std::int64_t>(sizeof(float)));
  ASSERT_TRUE(channel.ranks() == 1 || window->shared());
  auto* const x = reinterpret_cast<float*>(window->bytes().data());
  float *const y = x + size, *const space = y + line_size;
  const std::span<float> workspace(space, static_cast<size_t>(exchange.plan().workspace()));
  constexpr float kPoison = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> numbers = numbered(nodes.shape, box);
  const std::vector<float> line_numbers = numbered(nodes.shape, line_box);
  const Random random(7, "late ranks", static_cast<std::uint64_t>(rank));
  std::int64_t wrong = 0;  // counted, since a rank that stops would leave the others waiting
  for (int round = 0; round < rounds; ++round) {
    const auto value = [&](float number) { return number + static_cast<float>(1000 * round); };
    std::transform(numbers.begin(), numbers.end(), x, value);
    std::fill_n(y, line_size, kPoison);
    exchange.start(Way::forward, x, y, Fill::over, workspace);
    if (random.below(static_cast<std::uint64_t>(round), 8) == 0)
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    exchange.finish();
    std::fill_n(x, size, kPoison);
    for (std::int64_t i = 0; i < line_size; ++i)
      wrong += y[i] == value(line_numbers[static_cast<size_t>(i)]) ? 0 : 1;
    exchange.run(Way::backward, y, x, Fill::over, workspace);
    std::fill_n(y, line_size, kPoison);
    for (std::int64_t i = 0; i < size; ++i)
      wrong += x[i] == value(numbers[static_cast<size_t>(i)]) ? 0 : 1;
  }
  EXPECT_EQ(wrong, 0) << "elements on rank " << rank;
}

// Partial sums that differ by many magnitudes: the sum is that of rank order, bit for bit.
inline void check_rank_order(Channel& channel, Ground ground) {
  const Memory memory(channel, ground);
  const int ranks = channel.ranks();
  const Shape shape = {ranks, 5};
  const Mesh mesh({{"m", ranks}});
  const Plan plan = plan_exchange(shape, Layout(mesh, {0}), Layout(mesh, {kReplicates}),
                                  channel.rank(), sizeof(float));
  Exchange<float> exchange(plan, channel, "partial sums");
  const auto part = [](int rank, int i) {
    return (rank % 2 == 0 ? 1.0f : -1.0f) * static_cast<float>(1 + i) /
           static_cast<float>(3 + 1000 * rank);
  };
  std::vector<float> mine;
  for (int i = 0; i < ranks * 5; ++i) mine.push_back(part(channel.rank(), i));
  Guarded parts(mine, memory.source(Guarded::with_guards(ranks * 5)));
  Guarded sum(5), space(plan.workspace(), memory.workspace(Guarded::with_guards(plan.workspace())));
  exchange.run(Way::backward, parts.data(), sum.data(), Fill::over, space.span());
  for (int i = 0; i < 5; ++i) {
    const int at = channel.rank() * 5 + i;
    float expected = part(0, at);
    for (int rank = 1; rank < ranks; ++rank) expected += part(rank, at);
    EXPECT_EQ(sum.values()[static_cast<size_t>(i)], expected) << at;
  }
}

}  // namespace ortho::test
