// The GPU's backend on the simulated device against the CPU's, operation by operation.
#include <gtest/gtest.h>

#include "tests/support/cuda_kit.h"
#include "tests/support/dense_terms.h"
#include "tests/support/orders.h"

namespace ortho {
namespace {

using test::CudaKit;
using test::expect_near;

// More channels than a warp and more rows than a block in one, neither a multiple of the other.
constexpr Nodes kNodes[] = {{3, 5, 6, Order::channels_inner},    {3, 5, 6, Order::batch_inner},
                            {2, 33, 40, Order::channels_inner},  {2, 33, 40, Order::batch_inner},
                            {1, 1100, 3, Order::channels_inner}, {1, 1100, 3, Order::batch_inner}};

std::unique_ptr<Backend<float>> cpu() { return make_cpu_backend<float>(1); }

std::vector<float> normals(std::int64_t count, std::uint64_t seed) {
  return normal_numbers<float>(count, seed);
}

TEST(CudaBackend, MovesAddsAndClears) {
  CudaKit gpu;
  const auto a = normals(1000, 1), b = normals(1000, 2);
  auto x = gpu.on(a), y = gpu.on(b);
  gpu->add(1000, x, y);
  auto sums = b;
  cpu()->add(1000, a.data(), sums.data());
  EXPECT_EQ(y.values(), sums);
  gpu->copy(500, x, y);
  gpu->zero(10, y.data() + 490);
  const auto got = y.values();
  for (size_t i = 0; i < 1000; ++i) EXPECT_EQ(got[i], i < 490 ? a[i] : i < 500 ? 0 : sums[i]) << i;
}

TEST(CudaBackend, DeviceMemoryIsZeroAndNotTheHosts) {
  CudaKit gpu;
  Device& device = gpu->device();
  EXPECT_FALSE(device.host_reads());
  DeviceArray<float> array(device, 100, "a test");
  std::vector<float> host(100, 7);
  array.download(host);
  EXPECT_EQ(host, std::vector<float>(100, 0));
}

TEST(CudaBackend, Bias) {
  CudaKit gpu;
  for (const Nodes& nodes : kNodes) {
    const auto x = normals(nodes.elements(), 1), bias = normals(nodes.channels, 2);
    auto y = gpu.on(x), b = gpu.on(bias), sums = gpu.on(bias);
    auto expected = x, gradient = bias;
    gpu->bias_dw(nodes, y, sums);
    cpu()->bias_dw(nodes, x.data(), gradient.data());
    expect_near(sums.values(), gradient, 1e-4);  // up to 1,100 terms of size 1 in another order
    gpu->add_bias(nodes, b, y);
    cpu()->add_bias(nodes, bias.data(), expected.data());
    EXPECT_EQ(y.values(), expected);
  }
}

TEST(CudaBackend, Norm) {
  for (const std::uint64_t seed : {1, 2, 3, 4}) {
    CudaKit gpu(seed);
    for (const Norm kind : {Norm::rms, Norm::layer})
      for (const Nodes& nodes : kNodes) {
        const auto x = normals(nodes.elements(), 1), gain = normals(nodes.channels, 2),
                   dh = normals(nodes.elements(), 3);
        std::vector<float> h(x.size()), stats(static_cast<size_t>(2 * nodes.rows())), dx = dh,
                                                                                      dgain = gain;
        auto device_x = gpu.on(x), device_gain = gpu.on(gain), device_dh = gpu.on(dh),
             device_h = gpu.on(h), device_stats = gpu.on(stats), device_dx = gpu.on(dx),
             device_dgain = gpu.on(dgain);
        cpu()->norm(kind, nodes, 1e-5, x.data(), gain.data(), h.data(), stats.data());
        cpu()->norm_dx(kind, nodes, x.data(), gain.data(), stats.data(), dh.data(), dx.data(),
                       dgain.data());
        gpu->norm(kind, nodes, 1e-5, device_x, device_gain, device_h, device_stats);
        gpu->norm_dx(kind, nodes, device_x, device_gain, device_stats, device_dh, device_dx,
                     device_dgain);
        // Sums over 3 channels may nearly cancel, and rho be as large as 300.
        expect_near(device_h.values(), h, 2e-5);
        expect_near(device_dx.values(), dx, 2e-3);
        expect_near(device_dgain.values(), dgain, 2e-4);  // 1,100 terms
      }
  }
}

TEST(CudaBackend, Activations) {
  CudaKit gpu;
  using enum Activation;
  for (const Activation kind :
       {none, melu, relu, leaky_relu, abs, elu, hard_tanh, sort2, gelu, silu})
    for (const bool gated : {true, false})
      for (const Nodes& nodes : {kNodes[0], kNodes[1], kNodes[3]}) {
        const Gate gate = {kind, gated, kind == sort2 ? nodes.channels : nodes.channels - 2};
        const auto z = normals(nodes.elements() * (gated ? 2 : 1), 4),
                   dq = normals(nodes.elements(), 5);
        std::vector<float> q(dq.size()), dz(z.size());
        auto device_z = gpu.on(z), device_dq = gpu.on(dq), device_q = gpu.on(q),
             device_dz = gpu.on(dz);
        cpu()->activate(gate, nodes, z.data(), q.data());
        cpu()->activate_dz(gate, nodes, z.data(), dq.data(), dz.data());
        gpu->activate(gate, nodes, device_z, device_q);
        gpu->activate_dz(gate, nodes, device_z, device_dq, device_dz);
        // The same formulas; where the compiler joins a product and a sum may differ.
        expect_near(device_q.values(), q, 4e-6);
        expect_near(device_dz.values(), dz, 4e-6);
      }
}

TEST(CudaBackend, DropoutDrawsWhatTheCpuDraws) {
  CudaKit gpu;
  const Random random(7, "dropout", 3, 1);
  for (const Nodes& nodes : {kNodes[2], kNodes[3]}) {
    std::vector<float> ones(static_cast<size_t>(nodes.elements()), 1), all = ones;
    const HeldRows rows = {{2, 33}, whole({2, 33})};
    auto x = gpu.on(ones);
    gpu->dropout(nodes, rows, {0.25, random, 100, 3}, x);
    cpu()->dropout(nodes, rows, {0.25, random, 100, 3}, all.data());
    EXPECT_EQ(x.values(), all);
    // Some tokens and windows of a larger batch.
    const HeldRows part = {{4, 70}, {{1, 20}, {3, 53}}};
    auto held = gpu.on(ones);
    std::vector<float> expected = ones;
    gpu->dropout(nodes, part, {0.5, random, 0, 0}, held);
    cpu()->dropout(nodes, part, {0.5, random, 0, 0}, expected.data());
    EXPECT_EQ(held.values(), expected);
    EXPECT_NE(expected, ones);
  }
  // More channels than one thread draws for.
  const Nodes wide = {1, 2, 1100, Order::channels_inner};
  std::vector<float> ones(2200, 1), expected = ones;
  auto x = gpu.on(ones);
  gpu->dropout(wide, {{1, 2}, whole({1, 2})}, {0.5, random}, x);
  cpu()->dropout(wide, {{1, 2}, whole({1, 2})}, {0.5, random}, expected.data());
  EXPECT_EQ(x.values(), expected);
}

TEST(CudaBackend, KeepsTheLargest) {
  CudaKit gpu;
  for (const Nodes& nodes : {kNodes[0], kNodes[1], kNodes[2], kNodes[3]})
    for (const std::int64_t count : {std::int64_t{1}, std::int64_t{4}, nodes.channels}) {
      // Whole numbers from -3 to 3: many are equally large.
      const auto x = whole_numbers<float>(nodes.elements(), 1);
      auto expected = x;
      auto y = gpu.on(x);
      gpu->keep_largest(nodes, count, y);
      cpu()->keep_largest(nodes, count, expected.data());
      EXPECT_EQ(y.values(), expected) << count;
    }
}

TEST(CudaBackend, Lines) {
  CudaKit gpu;
  for (const Order order : {Order::channels_inner, Order::batch_inner}) {
    const Nodes nodes = {24, 3, 5, order};
    const Lines lines = {2, 4, 3};
    const auto x = normals(nodes.elements(), 1), old = normals(nodes.elements(), 2);
    std::vector<float> rows(x.size());
    auto device_x = gpu.on(x), device_rows = gpu.on(rows);
    gpu->gather_lines(nodes, lines, device_x, device_rows);
    cpu()->gather_lines(nodes, lines, x.data(), rows.data());
    EXPECT_EQ(device_rows.values(), rows);
    for (const bool add : {false, true}) {
      auto back = gpu.on(old);
      auto expected = old;
      gpu->scatter_lines(nodes, lines, device_rows, back, add);
      cpu()->scatter_lines(nodes, lines, rows.data(), expected.data(), add);
      EXPECT_EQ(back.values(), expected);
    }
  }
}

TEST(CudaBackend, EmbedsPacksAndUnpacks) {
  CudaKit gpu;
  for (const Nodes& nodes : kNodes) {
    std::vector<std::int32_t> rows;
    for (std::int64_t r = 0; r < nodes.rows(); ++r)
      rows.push_back(static_cast<std::int32_t>(r * r % 7) - 1);  // -1: padding; 3 and 5: never
    const auto table = normals(6 * nodes.channels, 1), x = normals(nodes.elements(), 2);
    auto device_table = gpu.on(table), device_x = gpu.on(x), device_dtable = gpu.on(table);
    auto expected = x, dtable = table;
    gpu->embed_dw(nodes, rows, device_x, device_dtable);
    cpu()->embed_dw(nodes, rows, x.data(), dtable.data());
    expect_near(device_dtable.values(), dtable, 1e-4);  // some 500 terms in pieces of 64
    gpu->embed(nodes, rows, device_table, device_x);
    cpu()->embed(nodes, rows, table.data(), expected.data());
    EXPECT_EQ(device_x.values(), expected);
    const std::vector<std::int32_t> at = {14, 1, 6};
    std::vector<float> packed(static_cast<size_t>(3 * nodes.channels));
    auto device_packed = gpu.on(packed);
    gpu->pack_rows(nodes, at, device_x, device_packed);
    cpu()->pack_rows(nodes, at, expected.data(), packed.data());
    EXPECT_EQ(device_packed.values(), packed);
    gpu->unpack_rows(nodes, at, device_packed, device_x);
    cpu()->unpack_rows(nodes, at, packed.data(), expected.data());
    EXPECT_EQ(device_x.values(), expected);
  }
}

TEST(CudaBackend, ProductsAndChannelMaps) {
  CudaKit gpu;
  for (const Transpose ta : {Transpose::no, Transpose::yes})
    for (const Transpose tb : {Transpose::no, Transpose::yes}) {
      const std::int64_t m = 7, n = 19, k = 11;
      const auto a = whole_numbers<float>(m * k, 9), b = whole_numbers<float>(k * n, 10);
      auto c = whole_numbers<float>(m * n, 11);
      auto device_a = gpu.on(a), device_b = gpu.on(b), device_c = gpu.on(c);
      const std::int64_t lda = ta == Transpose::yes ? m : k, ldb = tb == Transpose::yes ? k : n;
      gpu->gemm(ta, tb, m, n, k, device_a, lda, device_b, ldb, device_c, n, true);
      cpu()->gemm(ta, tb, m, n, k, a.data(), lda, b.data(), ldb, c.data(), n, true);
      EXPECT_EQ(device_c.values(), c);
    }
  for (const Nodes& nodes : {kNodes[0], kNodes[1], kNodes[3]}) {
    const std::int64_t out = 9;
    const auto x = whole_numbers<float>(nodes.elements(), 1),
               dy = whole_numbers<float>(nodes.rows() * out, 2);
    const auto w = whole_numbers<float>(nodes.channels * out, 3);
    std::vector<float> y(dy.size()), dx = x, dw = w;
    auto device_x = gpu.on(x), device_dy = gpu.on(dy), device_w = gpu.on(w), device_y = gpu.on(y),
         device_dx = gpu.on(dx), device_dw = gpu.on(dw);
    const OpenRoom<float> room{};
    gpu->open_channel_map(nodes, out, room, device_x, device_w, device_y, false);
    gpu->open_channel_map_dx(nodes, out, room, device_dy, device_w, device_dx, true);
    gpu->open_channel_map_dw(nodes, out, room, device_x, device_dy, device_w, device_dw);
    cpu()->channel_map(nodes, out, x.data(), w.data(), y.data(), false);
    cpu()->channel_map_dx(nodes, out, dy.data(), w.data(), dx.data(), true);
    cpu()->channel_map_dw(nodes, out, x.data(), dy.data(), dw.data());
    EXPECT_EQ(device_y.values(), y);
    EXPECT_EQ(device_dx.values(), dx);
    EXPECT_EQ(device_dw.values(), dw);
  }
}

TEST(CudaBackend, UpdatesAndSumsOfSquares) {
  CudaKit gpu;
  const std::int64_t count = 20000;  // three runs of the sum
  auto weight = normals(count, 1);
  for (size_t i = 0; i < weight.size(); i += 3) weight[i] = 0;  // closed, where there is `opened`
  const auto gradient = normals(count, 2);
  for (const double opened : {0.0, 1e-3}) {
    auto w = weight, m = gradient, v = gradient, velocity = gradient;
    for (float& value : v) value *= value;
    auto device_g = gpu.on(gradient), device_w = gpu.on(w), device_m = gpu.on(m),
         device_v = gpu.on(v), device_velocity = gpu.on(velocity), device_u = gpu.on(w);
    const AdamwStep step = {1e-3, 0.9, 0.95, 1e-8, 0.1, 0.5, 3, opened};
    gpu->adamw(step, count, device_g, device_w, device_m, device_v);
    cpu()->adamw(step, count, gradient.data(), w.data(), m.data(), v.data());
    expect_near(device_w.values(), w, 1e-6);  // fused multiply-adds here or there
    expect_near(device_m.values(), m, 1e-6);
    expect_near(device_v.values(), v, 1e-5);
    auto u = weight;
    const SgdStep sgd = {1e-2, 0.9, 0.1, 0.5, opened};
    gpu->sgd(sgd, count, device_g, device_u, device_velocity);
    cpu()->sgd(sgd, count, gradient.data(), u.data(), velocity.data());
    expect_near(device_u.values(), u, 1e-6);
    expect_near(device_velocity.values(), velocity, 1e-6);
  }
  auto x = gpu.on(gradient);
  const double expected = cpu()->sum_squares(count, gradient.data());
  EXPECT_NEAR(gpu->sum_squares(count, x), expected, 1e-10 * expected);  // double, another order
}

}  // namespace
}  // namespace ortho
