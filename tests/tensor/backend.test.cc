#include "tensor/backend.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "tests/support/orders.h"

namespace ortho {
namespace {

constexpr Nodes kNodes = {3, 5, 6, Order::channels_inner};

template <class T>
std::vector<T> normals(std::int64_t count, std::uint64_t seed) {
  const Random random(seed, "normals");
  std::vector<T> x;
  for (std::int64_t i = 0; i < count; ++i)
    x.push_back(static_cast<T>(random.normal(static_cast<std::uint64_t>(i))));
  return x;
}

void expect_near(const std::vector<double>& a, const std::vector<double>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i)
    EXPECT_NEAR(a[i], b[i], 1e-12) << "at " << i;  // same sums, other order of adding
}

TEST(Backend, ABiasIsAddedToEveryRowAndSummedOverThem) {
  const auto backend = make_cpu_backend<double>(1);
  const Nodes nodes = {3, 5, 130, Order::channels_inner};  // more channels than one thread takes
  const auto x = normals<double>(nodes.elements(), 1), bias = normals<double>(nodes.channels, 2);
  std::vector<double> sums(bias.size(), 0.5), expected = x;
  for (size_t i = 0; i < x.size(); ++i) expected[i] += bias[i % 130];
  for (size_t i = 0; i < x.size(); ++i) sums[i % 130] += x[i];
  for (const Nodes& one : {nodes, other_order(nodes)}) {
    const bool same = one.order == nodes.order;
    std::vector<double> y = same ? x : reordered(nodes, x), gradient(bias.size(), 0.5);
    backend->bias_dw(one, y.data(), gradient.data());
    expect_near(gradient, sums);
    backend->add_bias(one, bias.data(), y.data());
    EXPECT_EQ(same ? y : reordered(one, y), expected);
  }
}

TEST(Backend, NormIsTheSameInBothOrders) {
  const auto backend = make_cpu_backend<double>(1);
  for (const Norm kind : {Norm::rms, Norm::layer}) {
    const auto x = normals<double>(kNodes.elements(), 1),
               gain = normals<double>(kNodes.channels, 2);
    const auto dh = normals<double>(kNodes.elements(), 3);
    const auto run = [&](const Nodes& nodes, const std::vector<double>& in,
                         const std::vector<double>& grad) {
      std::vector<double> h(in.size()), stats(static_cast<size_t>(2 * nodes.rows())),
          dx(in.size(), 1.0), dgain(6, 0.5);
      backend->norm(kind, nodes, 1e-5, in.data(), gain.data(), h.data(), stats.data());
      backend->norm_dx(kind, nodes, in.data(), gain.data(), stats.data(), grad.data(), dx.data(),
                       dgain.data());
      return std::array{h, dx, dgain};
    };
    const Nodes other = other_order(kNodes);
    const auto a = run(kNodes, x, dh), b = run(other, reordered(kNodes, x), reordered(kNodes, dh));
    expect_near(reordered(other, b[0]), a[0]);
    expect_near(reordered(other, b[1]), a[1]);
    expect_near(b[2], a[2]);
    double mean_square = 0, mean = 0;
    for (std::int64_t c = 0; c < 6; ++c) {
      const double unit = a[0][static_cast<size_t>(c)] / gain[static_cast<size_t>(c)];
      mean_square += unit * unit / 6;
      mean += unit / 6;
    }
    EXPECT_NEAR(mean_square, 1, 1e-4);  // epsilon is 1e-5
    if (kind == Norm::layer) {
      EXPECT_NEAR(mean, 0, 1e-12);
    }
  }
}

TEST(Backend, ActivationsAreTheSameInBothOrders) {
  const auto backend = make_cpu_backend<double>(1);
  using enum Activation;
  for (const Activation kind :
       {none, melu, relu, leaky_relu, abs, elu, hard_tanh, sort2, gelu, silu}) {
    const Gate gate = {kind, true, kind == sort2 ? 6 : 4};
    const Nodes wide = kNodes.with_channels(12), other = other_order(kNodes),
                other_wide = other_order(wide);
    const auto z = normals<double>(wide.elements(), 4), dq = normals<double>(kNodes.elements(), 5);
    std::vector<double> q(dq.size()), p(dq.size()), dz(z.size()), dy(z.size());
    backend->activate(gate, kNodes, z.data(), q.data());
    backend->activate(gate, other, reordered(wide, z).data(), p.data());
    EXPECT_EQ(reordered(other, p), q);
    backend->activate_dz(gate, kNodes, z.data(), dq.data(), dz.data());
    backend->activate_dz(gate, other, reordered(wide, z).data(), reordered(kNodes, dq).data(),
                         dy.data());
    EXPECT_EQ(reordered(other_wide, dy), dz);
  }
}

TEST(Backend, ActivationValues) {
  EXPECT_DOUBLE_EQ(activate(Activation::melu, -1.0), -std::exp(-1.0));
  EXPECT_DOUBLE_EQ(activate(Activation::melu, 2.0), 2.0);
  EXPECT_DOUBLE_EQ(activate(Activation::leaky_relu, -2.0), -0.5);
  EXPECT_DOUBLE_EQ(activate(Activation::elu, -1.0), std::exp(-1.0) - 1);
  EXPECT_DOUBLE_EQ(activate(Activation::hard_tanh, 3.0), 1.0);
  EXPECT_NEAR(activate(Activation::gelu, 1.0), 0.8413447460685429, 1e-15);
  EXPECT_NEAR(activate(Activation::silu, 1.0), 0.7310585786300049, 1e-15);
}

TEST(Backend, FastExpIsWithinTwoUlpOfExp) {
  for (int i = -8700; i <= 8800; ++i) {
    const float x = static_cast<float>(i) * 0.01f;
    const double truth = std::exp(static_cast<double>(x));
    EXPECT_NEAR(static_cast<double>(fast_exp(x)) / truth, 1, 2.4e-7) << x;  // 2 ulp of float
  }
}

TEST(Backend, CrossEntropyAndItsGradient) {
  const auto backend = make_cpu_backend<double>(1);
  std::vector<double> logits = {1, 2, 3, 0, 0, 0};
  const std::vector<std::int32_t> target = {2, 0};
  double loss = 0;
  std::int64_t hits = 0;
  backend->cross_entropy(2, 3, target, {}, 0.5, logits.data(), &loss, &hits);
  const double sum = std::exp(-2.0) + std::exp(-1.0) + 1;
  EXPECT_NEAR(loss, std::log(sum) + std::log(3.0), 1e-14);
  EXPECT_EQ(hits, 2);  // row 1 is a draw: its target counts as the largest
  EXPECT_NEAR(logits[0], 0.5 * std::exp(-2.0) / sum, 1e-15);
  EXPECT_NEAR(logits[2], 0.5 * (1 / sum - 1), 1e-15);
  EXPECT_NEAR(logits[3], 0.5 * (1.0 / 3 - 1), 1e-15);
}

TEST(Backend, DropoutDropsItsShareAndIsAFunctionOfTheIndex) {
  const auto backend = make_cpu_backend<float>(1);
  const Nodes nodes = {16, 8, 64, Order::channels_inner};
  const Random random(7, "dropout", 3, 1);
  std::vector<float> x(static_cast<size_t>(nodes.elements()), 1);
  backend->dropout(nodes, {{16, 8}, whole({16, 8})}, {0.25, random, 100}, x.data());
  double dropped = 0;
  for (const float v : x) {
    EXPECT_TRUE(v == 0 || v == 1 / 0.75f);
    dropped += v == 0;
  }
  EXPECT_NEAR(dropped / static_cast<double>(x.size()), 0.25,
              0.02);  // 4 standard deviations of 8,192 draws
  // Both orders, and one window alone, draw the same.
  std::vector<float> y(x.size(), 1), one(static_cast<size_t>(16 * 64), 1);
  const Nodes other = other_order(nodes);
  backend->dropout(other, {{16, 8}, whole({16, 8})}, {0.25, random, 100}, y.data());
  EXPECT_EQ(reordered(other, y), x);
  backend->dropout({16, 1, 64, Order::channels_inner}, {{16, 1}, whole({16, 1})},
                   {0.25, random, 103}, one.data());
  for (std::int64_t t = 0; t < 16; ++t)
    for (std::int64_t c = 0; c < 64; ++c)
      EXPECT_EQ(one[static_cast<size_t>(t * 64 + c)], x[static_cast<size_t>((t * 8 + 3) * 64 + c)]);
}

TEST(Backend, EmbedPackAndUnpackInBothOrders) {
  const auto backend = make_cpu_backend<double>(1);
  const auto table = normals<double>(4 * 6, 8);
  std::vector<std::int32_t> rows;
  for (std::int32_t i = 0; i < 15; ++i) rows.push_back(i % 5 - 1);  // -1: padding
  const Nodes other = other_order(kNodes);
  std::vector<double> x(90), y(90), dtable(24), dother(24);
  backend->embed(kNodes, rows, table.data(), x.data());
  backend->embed(other, rows, table.data(), y.data());
  EXPECT_EQ(reordered(other, y), x);
  for (std::int64_t c = 0; c < 6; ++c) {
    EXPECT_EQ(x[static_cast<size_t>(c)], 0);
    EXPECT_EQ(x[static_cast<size_t>(6 + c)], table[static_cast<size_t>(c)]);
  }
  backend->embed_dw(kNodes, rows, x.data(), dtable.data());
  backend->embed_dw(other, rows, y.data(), dother.data());
  EXPECT_EQ(dother, dtable);
  const std::vector<std::int32_t> at = {14, 1, 6};
  std::vector<double> packed(18), repacked(18), sum(90), other_sum(90);
  backend->pack_rows(kNodes, at, x.data(), packed.data());
  backend->pack_rows(other, at, y.data(), repacked.data());
  EXPECT_EQ(packed, repacked);
  backend->unpack_rows(kNodes, at, packed.data(), sum.data());
  backend->unpack_rows(other, at, packed.data(), other_sum.data());
  EXPECT_EQ(reordered(other, other_sum), sum);
  EXPECT_EQ(sum[14 * 6 + 2], x[14 * 6 + 2]);
}

TEST(Backend, GemmOfFloatEqualsThatOfDouble) {
  const auto single = make_cpu_backend<float>(1);
  const auto twice = make_cpu_backend<double>(1);
  for (const Transpose ta : {Transpose::no, Transpose::yes})
    for (const Transpose tb : {Transpose::no, Transpose::yes}) {
      const std::int64_t m = 7, n = 19, k = 11;
      const auto a = normals<float>(m * k, 9), b = normals<float>(k * n, 10),
                 c0 = normals<float>(m * n, 11);
      std::vector<float> c = c0;
      const std::vector<double> da(a.begin(), a.end()), db(b.begin(), b.end());
      std::vector<double> dc(c0.begin(), c0.end());
      const std::int64_t lda = ta == Transpose::yes ? m : k, ldb = tb == Transpose::yes ? k : n;
      single->gemm(ta, tb, m, n, k, a.data(), lda, b.data(), ldb, c.data(), n, true);
      twice->gemm(ta, tb, m, n, k, da.data(), lda, db.data(), ldb, dc.data(), n, true);
      for (size_t i = 0; i < c.size(); ++i)
        EXPECT_NEAR(c[i], dc[i], 1e-5);  // 11 products of order 1 in float
    }
}

// On the caller's thread alone, also where several threads share an operation.
TEST(CpuBackend, CallsBackBetweenTiles) {
  const auto backend = make_cpu_backend<float>(2);
  DenseMap map{{32, 64}, 8, 16, Order::batch_inner, 0, 32, Weights::separate, Wiring::grid};
  const std::vector<float> x(static_cast<size_t>(input_nodes(map).elements()), 1),
      w(static_cast<size_t>(elements(weight_shape(map))), 1);
  std::vector<float> y(x.size()), dw(w.size());
  const std::thread::id caller = std::this_thread::get_id();
  int calls = 0, elsewhere = 0;
  backend->set_between_tiles([&] {
    ++calls;
    if (std::this_thread::get_id() != caller) ++elsewhere;
  });
  const auto calls_of = [&](const auto& act) {
    calls = 0;
    act();
    return calls;
  };
  // 8 million multiply-adds each, which take longer than the 50 us between two calls.
  EXPECT_GT(calls_of([&] { backend->dense(map, x.data(), w.data(), y.data(), false); }), 1);
  EXPECT_GT(calls_of([&] { backend->dense_dx(map, x.data(), w.data(), y.data(), false); }), 1);
  EXPECT_GT(calls_of([&] { backend->dense_dw(map, x.data(), y.data(), dw.data()); }), 1);
  EXPECT_EQ(elsewhere, 0);
  backend->set_between_tiles({});
  EXPECT_EQ(calls_of([&] { backend->dense(map, x.data(), w.data(), y.data(), false); }), 0);
}

}  // namespace
}  // namespace ortho
