// Attention and cross-entropy of the GPU's backend against the CPU's.
#include <gtest/gtest.h>

#include "tests/support/cuda_kit.h"
#include "tests/support/dense_terms.h"

namespace ortho {
namespace {

using test::CudaKit;
using test::expect_near;

// Three keys more than queries; sources at odd distances, fewer for some; nobody sees key 5.
constexpr std::int64_t kTokens = 5, kKeys = 8, kBatch = 3, kSources = 3;
const std::vector<std::int32_t> kFirst = {1, 3, 2, 7, 1}, kCount = {3, 1, 3, 2, 2},
                                kColumn = {0, 1, 1, 0, 1};

Attention geometry(Order order, std::int64_t halves, std::int64_t width) {
  Attention a;
  a.batch = kBatch;
  a.order = order;
  a.heads = 2;
  a.width = width;
  a.halves = halves;
  a.columns = 2;
  a.steps = {0, -1, 2};
  a.first = kFirst, a.count = kCount, a.column = kColumn;
  return a;
}

void expect_attention(CudaKit& gpu, const Attention& a) {
  const auto cpu = make_cpu_backend<float>(1);
  const std::int64_t e = a.channels(), g = a.halves * e;
  const auto q = normal_numbers<float>(kTokens * kBatch * e, 1),
             k = normal_numbers<float>(kKeys * kBatch * e, 2),
             v = normal_numbers<float>(kKeys * kBatch * g, 3),
             dz = normal_numbers<float>(kTokens * kBatch * g, 4),
             bias = normal_numbers<float>(a.heads * kSources * a.columns, 5);
  std::vector<float> z(dz.size()), log_sum(static_cast<size_t>(a.heads * kTokens * kBatch)),
      dq(q.size(), 9), dk = k, dv = v, dbias = bias,
                       work(static_cast<size_t>(a.heads * 2 * kSources));
  auto on_q = gpu.on(q), on_k = gpu.on(k), on_v = gpu.on(v), on_dz = gpu.on(dz),
       on_bias = gpu.on(bias), on_z = gpu.on(z), on_log_sum = gpu.on(log_sum), on_dq = gpu.on(dq),
       on_dk = gpu.on(dk), on_dv = gpu.on(dv), on_dbias = gpu.on(dbias), on_work = gpu.on(work);
  cpu->attend(a, q.data(), k.data(), v.data(), bias.data(), z.data(), log_sum.data());
  cpu->attend_back(a, q.data(), k.data(), v.data(), bias.data(), log_sum.data(), dz.data(),
                   dq.data(), dk.data(), dv.data(), dbias.data(), work.data());
  gpu->attend(a, on_q, on_k, on_v, on_bias, on_z, on_log_sum);
  gpu->attend_back(a, on_q, on_k, on_v, on_bias, on_log_sum, on_dz, on_dq, on_dk, on_dv, on_dbias,
                   on_work);
  // Sums of up to 80 products of size 1 in another order, and exponentials of them.
  expect_near(on_z.values(), z, 1e-5);
  expect_near(on_log_sum.values(), log_sum, 1e-5);
  expect_near(on_dq.values(), dq, 5e-5);
  expect_near(on_dk.values(), dk, 5e-5);
  expect_near(on_dv.values(), dv, 5e-5);
  expect_near(on_dbias.values(), dbias, 2e-4);
}

TEST(CudaSoftmax, AttentionEqualsTheCpus) {
  for (const std::uint64_t seed : {1, 2}) {
    CudaKit gpu(seed);
    for (const Order order : {Order::channels_inner, Order::batch_inner})
      for (const std::int64_t halves : {1, 2})
        for (const std::int64_t width : {3, 40})
          expect_attention(gpu, geometry(order, halves, width));
  }
}

TEST(CudaSoftmax, CrossEntropyWholeAndInParts) {
  for (const std::uint64_t seed : {1, 2, 3, 4}) {
    CudaKit gpu(seed);
    const auto cpu = make_cpu_backend<float>(1);
    constexpr std::int64_t kRows = 37, kClasses = 45, kCut = 33;
    auto logits = normal_numbers<float>(kRows * kClasses, 1);
    for (float& value : logits) value *= 9;
    const Random random(seed, "target");
    std::vector<std::int32_t> target;
    std::vector<double> weight;
    for (std::uint64_t r = 0; r < kRows; ++r) {
      target.push_back(static_cast<std::int32_t>(random.below(r, kClasses)));
      weight.push_back(random.uniform(r));
    }
    for (const bool weighted : {false, true}) {
      const std::span<const double> weights = weighted ? weight : std::span<const double>();
      auto expected = logits;
      double loss = 0, device_loss = 0.5, parts_loss = 0;
      std::int64_t hits = 0, device_hits = 7, parts_hits = 0;
      cpu->cross_entropy(kRows, kClasses, target, weights, 0.25, expected.data(), &loss, &hits);
      auto x = gpu.on(logits);
      gpu->cross_entropy(kRows, kClasses, target, weights, 0.25, x, &device_loss, &device_hits);
      // Numbers up to 0.25 after some ten roundings; the loss's parts are float.
      expect_near(x.values(), expected, 1e-6);
      EXPECT_NEAR(device_loss, loss + 0.5, 1e-5 * loss);
      EXPECT_EQ(device_hits, hits + 7);
      // Two ranks, the second with the classes from kCut on.
      std::vector<float> left, right;
      std::vector<std::int32_t> left_target, right_target;
      for (std::int64_t r = 0; r < kRows; ++r) {
        for (std::int64_t c = 0; c < kClasses; ++c)
          (c < kCut ? left : right).push_back(logits[static_cast<size_t>(r * kClasses + c)]);
        const std::int32_t wanted = target[static_cast<size_t>(r)];
        left_target.push_back(wanted < kCut ? wanted : -1);
        right_target.push_back(wanted < kCut ? -1 : wanted - static_cast<std::int32_t>(kCut));
      }
      auto a = gpu.on(left), b = gpu.on(right),
           told = gpu.on(std::vector<float>(2 * kRows * kSoftmaxPart));
      gpu->softmax_part(kRows, kCut, left_target, a, told);
      gpu->softmax_part(kRows, kClasses - kCut, right_target, b,
                        told.data() + kRows * kSoftmaxPart);
      gpu->cross_entropy_part(kRows, kCut, left_target, weights, 0.25, 2, told, a, &parts_loss,
                              &parts_hits);
      EXPECT_NEAR(parts_loss, loss, 1e-5 * loss);
      EXPECT_EQ(parts_hits, hits);
      const auto got = a.values();
      for (size_t i = 0; i < got.size(); ++i)
        ASSERT_NEAR(got[i], expected[i / kCut * kClasses + i % kCut], 1e-6) << i;
    }
  }
}

}  // namespace
}  // namespace ortho
