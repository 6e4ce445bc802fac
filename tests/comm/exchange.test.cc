// Exchanges on local ranks: thousands of drawn moves and halos against their definition, and what
// is refused.
#include "comm/exchange.h"

#include <gtest/gtest.h>

#include <memory>

#include "comm/local.h"
#include "tests/support/errors.h"
#include "tests/support/exchange_kit.h"

namespace ortho {
namespace {

class ExchangeRanks : public testing::TestWithParam<int> {};

TEST_P(ExchangeRanks, MovesBetweenAnyTwoLayouts) {
  run_local_ranks(GetParam(), [](Channel& channel) {
    for (std::uint64_t number = 0; number < 300; ++number)
      test::check_move(channel, test::draw_move(1, number, channel.ranks()), number);
  });
}

TEST_P(ExchangeRanks, BringsTheTokensBefore) {
  run_local_ranks(GetParam(), [](Channel& channel) {
    for (std::uint64_t number = 0; number < 200; ++number)
      test::check_halo(channel, test::draw_halo(2, number, channel.ranks()), number);
  });
}

INSTANTIATE_TEST_SUITE_P(Ranks, ExchangeRanks, testing::Values(1, 2, 3, 4, 5, 6, 8, 12),
                         testing::PrintToStringParamName());

TEST(Exchange, MovesLongRuns) {
  for (const int ranks : {2, 3, 4}) run_local_ranks(ranks, test::check_long_runs);
}

// Two at once, finished in the other order; a map's way to the lines and home gives x back.
TEST(Exchange, SeveralUnderWay) {
  run_local_ranks(4, [](Channel& channel) {
    const NodeShape nodes = node_shape({4, 6}, 2, 3, Order::batch_inner);
    const Layout layout(Mesh({{"token", 4}}), {0});
    const Layout lines = lines_layout(nodes, layout, 0);
    const int rank = channel.rank();
    const auto plan = [&] {
      return plan_exchange(nodes.shape, layout, lines, rank, sizeof(float));
    };
    Exchange<float> first(plan(), channel, "first"), second(plan(), channel, "second");
    const std::vector<float> x = test::numbered(nodes.shape, layout.box(nodes.shape, rank));
    const std::vector<float> z = test::numbered(nodes.shape, lines.box(nodes.shape, rank));
    std::vector<float> a(z.size()), b(z.size()), home(x.size());
    std::vector<float> space(static_cast<size_t>(first.plan().workspace())), other = space;
    first.start(Way::forward, x.data(), a.data(), Fill::over, space);
    second.start(Way::forward, x.data(), b.data(), Fill::over, other);
    second.finish();
    while (!first.progress()) {
    }
    first.finish();
    EXPECT_EQ(a, z);
    EXPECT_EQ(b, z);
    first.run(Way::backward, a.data(), home.data(), Fill::over, space);
    EXPECT_EQ(home, x);
  });
}

// Partial sums that differ by many magnitudes: the sum is that of rank order, bit for bit.
TEST(Exchange, AddsInRankOrder) {
  run_local_ranks(4, [](Channel& channel) {
    const Shape shape = {4, 5};
    const Mesh mesh({{"m", 4}});
    const Plan plan = plan_exchange(shape, Layout(mesh, {0}), Layout(mesh, {kReplicates}),
                                    channel.rank(), sizeof(float));
    Exchange<float> exchange(plan, channel, "partial sums");
    const auto part = [](int rank, int i) {
      return (rank % 2 == 0 ? 1.0f : -1.0f) * static_cast<float>(1 + i) /
             static_cast<float>(3 + 1000 * rank);
    };
    std::vector<float> mine(20), sum(5), space(static_cast<size_t>(plan.workspace()));
    for (int i = 0; i < 20; ++i) mine[static_cast<size_t>(i)] = part(channel.rank(), i);
    exchange.run(Way::backward, mine.data(), sum.data(), Fill::over, space);
    for (int i = 0; i < 5; ++i) {
      const int at = channel.rank() * 5 + i;
      const float expected = ((part(0, at) + part(1, at)) + part(2, at)) + part(3, at);
      EXPECT_EQ(sum[static_cast<size_t>(i)], expected) << at;
    }
  });
}

TEST(Exchange, PlansThatDifferAreRefused) {
  run_local_ranks(3, [](Channel& channel) {
    const Mesh mesh({{"m", 3}});
    const Layout to(mesh, {channel.rank() == 2 ? 1 : kReplicates});
    const std::string message = message_of(
        [&] {
          const Plan plan =
              plan_exchange({3, 3}, Layout(mesh, {0}), to, channel.rank(), sizeof(float));
          Exchange<float>(plan, channel, "s_1 to the lines");
        },
        ErrorKind::usage);
    EXPECT_NE(message.find("the plan of s_1 to the lines differs between ranks: rank 0 has "),
              std::string::npos)
        << message;
    EXPECT_NE(message.find(", rank 2 has "), std::string::npos) << message;
    EXPECT_EQ(message.find(", rank 1 has "), std::string::npos) << message;
  });
}

TEST(Exchange, WrongUseIsNamed) {
  const std::unique_ptr<Channel> channel = make_single_channel();
  const Layout layout(Mesh({{"m", 1}}), {0});
  const auto plan = [&](int bytes) { return plan_exchange({3, 3}, layout, layout, 0, bytes); };
  const auto refusal = [](const auto& act) { return message_of(act, ErrorKind::internal); };
  EXPECT_NE(refusal([&] {
              Exchange<double>(plan(4), *channel, "home");
            }).find("home: planned for elements of 4 bytes, run with 8"),
            std::string::npos);
  Exchange<float> exchange(plan(4), *channel, "home");
  std::vector<float> x(9), y(9);
  EXPECT_NE(refusal([&] { exchange.finish(); }).find("home is finished before it was started"),
            std::string::npos);
  exchange.start(Way::forward, x.data(), y.data(), Fill::over, {});
  EXPECT_NE(refusal([&] {
              exchange.start(Way::forward, x.data(), y.data(), Fill::over, {});
            }).find("home is started before it was finished"),
            std::string::npos);
}

TEST(Exchange, TooLittleWorkspaceIsNamed) {
  run_local_ranks(2, [](Channel& channel) {
    const Mesh mesh({{"m", 2}});
    const Plan plan =
        plan_exchange({2, 2}, Layout(mesh, {0}), Layout(mesh, {1}), channel.rank(), sizeof(float));
    Exchange<float> exchange(plan, channel, "lines");
    std::vector<float> x(2), y(2), space(1);
    const std::string message =
        message_of([&] { exchange.start(Way::forward, x.data(), y.data(), Fill::over, space); },
                   ErrorKind::internal);
    EXPECT_NE(message.find("lines needs 2 elements of workspace, has 1"), std::string::npos)
        << message;
  });
}

}  // namespace
}  // namespace ortho
