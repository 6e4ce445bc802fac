#include "tensor/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tensor/backend.h"
#include "tests/support/gradcheck.h"
#include "tests/support/orders.h"

namespace ortho {
namespace {

// Three keys more than queries; sources at odd distances, fewer for some.
constexpr std::int64_t kTokens = 5, kKeys = 8, kBatch = 3, kSources = 3;
const std::vector<std::int32_t> kFirst = {1, 3, 2, 7, 1}, kCount = {3, 1, 3, 2, 2},
                                kColumn = {0, 1, 1, 0, 1};

Attention geometry(Order order, std::int64_t halves) {
  Attention a;
  a.batch = kBatch;
  a.order = order;
  a.heads = 2;
  a.width = 3;
  a.halves = halves;
  a.columns = 2;
  a.steps = {0, -1, 2};
  a.first = kFirst, a.count = kCount, a.column = kColumn;
  return a;
}

std::vector<double> numbers(std::int64_t count, const char* name) {
  const Random random(1, name);
  std::vector<double> x;
  for (std::int64_t i = 0; i < count; ++i)
    x.push_back(random.normal(static_cast<std::uint64_t>(i)));
  return x;
}

// All arrays with channels inside.
struct Arrays {
  explicit Arrays(const Attention& a)
      : q(numbers(kTokens * kBatch * a.channels(), "q")),
        k(numbers(kKeys * kBatch * a.channels(), "k")),
        v(numbers(kKeys * kBatch * a.halves * a.channels(), "v")),
        bias(numbers(a.heads * kSources * a.columns, "bias")) {}
  std::vector<double> q, k, v, bias;
};

std::vector<double> by_definition(const Attention& a, const Arrays& x) {
  const std::int64_t e = a.channels(), g = a.halves * e;
  std::vector<double> z(static_cast<size_t>(kTokens * kBatch * g), 0);
  for (std::int64_t t = 0; t < kTokens; ++t)
    for (std::int64_t b = 0; b < kBatch; ++b)
      for (std::int64_t i = 0; i < g; ++i) {
        const std::int64_t head = i % e / a.width;
        double sum = 0, result = 0;
        for (std::int64_t n = 0; n < kCount[static_cast<size_t>(t)]; ++n) {
          const std::int64_t source =
              kFirst[static_cast<size_t>(t)] + a.steps[static_cast<size_t>(n)];
          double score = 0;
          for (std::int64_t c = head * a.width; c < (head + 1) * a.width; ++c)
            score += x.q[static_cast<size_t>((t * kBatch + b) * e + c)] *
                     x.k[static_cast<size_t>((source * kBatch + b) * e + c)];
          const double share =
              std::exp(score / std::sqrt(3.0) +
                       x.bias[static_cast<size_t>((head * kSources + n) * 2 +
                                                  kColumn[static_cast<size_t>(t)])]);
          sum += share;
          result += share * x.v[static_cast<size_t>((source * kBatch + b) * g + i)];
        }
        z[static_cast<size_t>((t * kBatch + b) * g + i)] = result / sum;
      }
  return z;
}

Nodes nodes_of(std::int64_t tokens, std::int64_t channels) {
  return {tokens, kBatch, channels, Order::channels_inner};
}

std::vector<double> attend(const Attention& a, const Arrays& x, std::vector<double>& log_sum) {
  const auto backend = make_cpu_backend<double>(1);
  const std::int64_t e = a.channels(), g = a.halves * e;
  std::vector<double> z(static_cast<size_t>(kTokens * kBatch * g), -99);
  log_sum.assign(static_cast<size_t>(a.heads * kTokens * kBatch), -99);
  if (a.order == Order::channels_inner) {
    backend->attend(a, x.q.data(), x.k.data(), x.v.data(), x.bias.data(), z.data(), log_sum.data());
    return z;
  }
  backend->attend(
      a, reordered(nodes_of(kTokens, e), x.q).data(), reordered(nodes_of(kKeys, e), x.k).data(),
      reordered(nodes_of(kKeys, g), x.v).data(), x.bias.data(), z.data(), log_sum.data());
  return reordered(other_order(nodes_of(kTokens, g)), z);
}

TEST(Attention, EqualsItsDefinitionInBothOrders) {
  for (const Order order : {Order::channels_inner, Order::batch_inner})
    for (const std::int64_t halves : {1, 2}) {
      const Attention a = geometry(order, halves);
      const Arrays x(a);
      std::vector<double> log_sum;
      const auto z = attend(a, x, log_sum), truth = by_definition(a, x);
      for (size_t i = 0; i < z.size(); ++i)  // three terms in double
        ASSERT_NEAR(z[i], truth[i], 1e-14) << i;
    }
}

// Of <dz, z> for every number that z depends on. Nobody sees key 5.
TEST(Attention, GradientsInBothOrders) {
  for (const Order order : {Order::channels_inner, Order::batch_inner})
    for (const std::int64_t halves : {1, 2}) {
      const Attention a = geometry(order, halves);
      Arrays x(a);
      const std::int64_t e = a.channels(), g = a.halves * e;
      const auto dz = numbers(kTokens * kBatch * g, "dz");
      std::vector<double> log_sum;
      const auto loss = [&] {
        const auto z = attend(a, x, log_sum);
        double sum = 0;
        for (size_t i = 0; i < z.size(); ++i) sum += z[i] * dz[i];
        return sum;
      };
      loss();
      std::vector<double> dq(x.q.size(), -99), dk(x.k.size(), 0), dv(x.v.size(), 0),
          dbias(x.bias.size(), 0), work(static_cast<size_t>(a.heads * 2 * kSources));
      const bool swap = order == Order::batch_inner;
      const auto in_order = [&](const std::vector<double>& values, std::int64_t tokens,
                                std::int64_t channels) {
        return swap ? reordered(nodes_of(tokens, channels), values) : values;
      };
      const auto out_of = [&](const std::vector<double>& values, std::int64_t tokens,
                              std::int64_t channels) {
        return swap ? reordered(other_order(nodes_of(tokens, channels)), values) : values;
      };
      make_cpu_backend<double>(1)->attend_back(
          a, in_order(x.q, kTokens, e).data(), in_order(x.k, kKeys, e).data(),
          in_order(x.v, kKeys, g).data(), x.bias.data(), log_sum.data(),
          in_order(dz, kTokens, g).data(), dq.data(), dk.data(), dv.data(), dbias.data(),
          work.data());
      const auto check = [&](std::vector<double>& values, const std::vector<double>& gradient,
                             const char* what) {
        for (size_t i = 0; i < values.size(); ++i)  // steps of 1e-5: to about 1e-9
          ASSERT_NEAR(central_difference(values[i], loss), gradient[i], 1e-8) << what << i;
      };
      check(x.q, out_of(dq, kTokens, e), "q");
      check(x.k, out_of(dk, kKeys, e), "k");
      check(x.v, out_of(dv, kKeys, g), "v");
      check(x.bias, dbias, "bias");
    }
}

// Float takes the same path; and a thread a head gives the same bits.
TEST(Attention, FloatAndThreads) {
  const Attention a = geometry(Order::channels_inner, 2);
  const Arrays x(a);
  const auto single = [](const std::vector<double>& values) {
    return std::vector<float>(values.begin(), values.end());
  };
  const auto q = single(x.q), k = single(x.k), v = single(x.v), bias = single(x.bias);
  std::vector<float> dz = single(numbers(kTokens * kBatch * 12, "dz"));
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2}) {
    const auto backend = make_cpu_backend<float>(threads);
    std::vector<float> z(dz.size()), log_sum(static_cast<size_t>(2 * kTokens * kBatch)),
        dq(q.size()), dk(k.size()), dv(v.size()), dbias(bias.size()),
        work(static_cast<size_t>(2 * 2 * kSources));
    backend->attend(a, q.data(), k.data(), v.data(), bias.data(), z.data(), log_sum.data());
    backend->attend_back(a, q.data(), k.data(), v.data(), bias.data(), log_sum.data(), dz.data(),
                         dq.data(), dk.data(), dv.data(), dbias.data(), work.data());
    const auto truth = by_definition(a, x);
    for (size_t i = 0; i < z.size(); ++i) ASSERT_NEAR(z[i], truth[i], 1e-5);  // 2^-24, some terms
    for (const auto* part : {&dq, &dk, &dv, &dbias}) z.insert(z.end(), part->begin(), part->end());
    results.push_back(z);
  }
  EXPECT_EQ(results[0], results[1]);
}

}  // namespace
}  // namespace ortho
