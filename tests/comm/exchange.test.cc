// Exchanges on local ranks: thousands of drawn moves and halos against their definition, and what
// is refused.
#include "comm/exchange.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <tuple>

#include "comm/local.h"
#include "tests/support/errors.h"
#include "tests/support/exchange_kit.h"

namespace ortho {
namespace {

// Ranks, ranks of a rehearsed node (0: all are on one), and where the arrays lie.
using Setting = std::tuple<int, int, test::Ground>;

class ExchangeRanks : public testing::TestWithParam<Setting> {
 protected:
  static int ranks() { return std::get<0>(GetParam()); }
  static test::Ground ground() { return std::get<2>(GetParam()); }
  static void run(const std::function<void(Channel&)>& body) {
    run_local_ranks(ranks(), body, {.ranks_per_node = std::get<1>(GetParam())});
  }
};

TEST_P(ExchangeRanks, MovesBetweenAnyTwoLayouts) {
  run([](Channel& channel) { test::check_moves(channel, ground(), 1, 300); });
}

TEST_P(ExchangeRanks, BringsTheTokensBefore) {
  run([](Channel& channel) { test::check_halos(channel, ground(), 2, 200); });
}

TEST_P(ExchangeRanks, AddsInRankOrder) {
  run([](Channel& channel) { test::check_rank_order(channel, ground()); });
}

std::string setting_text(const testing::TestParamInfo<Setting>& info) {
  const auto [ranks, node, ground] = info.param;
  const char* const names[] = {"Messages", "Packed", "Pulled"};
  return text(ranks, node == 0 ? "" : text("InNodesOf", node), names[static_cast<int>(ground)]);
}

INSTANTIATE_TEST_SUITE_P(Messages, ExchangeRanks,
                         testing::Combine(testing::Values(1, 2, 3, 4, 5, 6, 8, 12),
                                          testing::Values(0),
                                          testing::Values(test::Ground::ordinary)),
                         setting_text);
INSTANTIATE_TEST_SUITE_P(Windows, ExchangeRanks,
                         testing::Combine(testing::Values(2, 3, 4, 6), testing::Values(0),
                                          testing::Values(test::Ground::workspace,
                                                          test::Ground::shared)),
                         setting_text);
// Both at once: 4 = 2 + 2, 5 = 2 + 2 + 1, 6 = 3 + 3, 4 = 3 + 1.
INSTANTIATE_TEST_SUITE_P(Mixed, ExchangeRanks,
                         testing::Combine(testing::Values(4, 5, 6), testing::Values(2, 3),
                                          testing::Values(test::Ground::workspace,
                                                          test::Ground::shared)),
                         setting_text);

TEST(Exchange, MovesLongRuns) {
  for (const auto ground : {test::Ground::ordinary, test::Ground::workspace, test::Ground::shared})
    for (const int ranks : {2, 3, 4})
      run_local_ranks(ranks, [&](Channel& channel) { test::check_long_runs(channel, ground); });
}

// Two messages of kSendBytes each: sent although the workspace is shared, and counted so.
TEST(Exchange, SendsWhatIsTooLongToPull) {
  constexpr std::int64_t kRows = 2048, kColumns = 2 * kSendBytes / (4 * kRows / 2);
  run_local_ranks(2, [&](Channel& channel) {
    const Mesh mesh({{"m", 2}});
    const Plan plan = plan_exchange({kRows, kColumns}, Layout(mesh, {0}), Layout(mesh, {1}),
                                    channel.rank(), sizeof(float));
    ASSERT_EQ(plan.sent_bytes(Way::forward), kSendBytes);
    Exchange<float> exchange(plan, channel, "long");
    const auto window = channel.share(plan.workspace() * std::int64_t{sizeof(float)});
    const std::span<float> workspace(reinterpret_cast<float*>(window->bytes().data()),
                                     static_cast<size_t>(plan.workspace()));
    std::vector<float> rows(kRows / 2 * kColumns), columns(kRows * kColumns / 2, -1), back = rows;
    for (size_t i = 0; i < rows.size(); ++i)
      rows[i] = static_cast<float>(channel.rank() * kRows / 2 * kColumns) + static_cast<float>(i);
    exchange.run(Way::forward, rows.data(), columns.data(), Fill::over, workspace);
    std::int64_t wrong = 0;
    for (std::int64_t r = 0; r < kRows; ++r)
      for (std::int64_t c = 0; c < kColumns / 2; ++c)
        wrong += columns[static_cast<size_t>(r * kColumns / 2 + c)] !=
                 static_cast<float>(r * kColumns + channel.rank() * kColumns / 2 + c);
    EXPECT_EQ(wrong, 0);
    exchange.run(Way::backward, columns.data(), back.data(), Fill::over, workspace);
    EXPECT_EQ(back, rows);
    EXPECT_EQ(exchange.count(Way::forward).levels.node.bytes, kSendBytes);
    EXPECT_EQ(exchange.count(Way::forward).messages, plan.sent_messages(Way::forward));
  });
}

TEST(Exchange, ReusesSharedMemory) {
  for (const int node : {0, 2})
    run_local_ranks(4, [](Channel& channel) { test::check_reuse(channel, 500); },
                    {.ranks_per_node = node});
}

// No room: what would be pulled goes by messages, and all results are the same.
TEST(Exchange, TooLittleRoomFallsBackToMessages) {
  for (const std::int64_t room : {0, 1 << 20})  // for nothing; for the flags of offers alone
    run_local_ranks(3,
                    [](Channel& channel) {
                      EXPECT_FALSE(test::Memory(channel, test::Ground::shared).pulls());
                      test::check_moves(channel, test::Ground::shared, 6, 20);
                    },
                    {.shared_bytes = room});
}

// One rank's workspace is ordinary memory: its peers would wait for an offer for ever.
TEST(Exchange, WorkspacesSharedOnSomeRanksAloneAreNamed) {
  run_local_ranks(2, [](Channel& channel) {
    const auto window = channel.share(64);
    const Mesh mesh({{"m", 2}});
    const Plan plan =
        plan_exchange({2, 2}, Layout(mesh, {0}), Layout(mesh, {1}), channel.rank(), sizeof(float));
    Exchange<float> exchange(plan, channel, "lines");
    std::vector<float> x(2), y(2), own(2);
    if (channel.rank() == 1) {
      exchange.start(Way::forward, x.data(), y.data(), Fill::over, own);
      channel.barrier();
      return;
    }
    auto* const shared = reinterpret_cast<float*>(window->bytes().data());
    exchange.start(Way::forward, x.data(), y.data(), Fill::over, {shared, 2});
    const std::string message = message_of([&] { exchange.finish(); }, ErrorKind::internal);
    EXPECT_NE(message.find("lines: the workspace of rank 1 is not shared, that of rank 0 is"),
              std::string::npos)
        << message;
    channel.barrier();
  });
}

// A rank that fails wakes those that wait for its offer.
TEST(Exchange, AFailureEndsThePull) {
  EXPECT_THROW(run_local_ranks(
                   3,
                   [](Channel& channel) {
                     const Mesh mesh({{"m", 3}});
                     const auto window = channel.share(1024);
                     const Plan plan = plan_exchange({3, 3}, Layout(mesh, {0}), Layout(mesh, {1}),
                                                     channel.rank(), sizeof(float));
                     Exchange<float> exchange(plan, channel, "lines");
                     std::vector<float> x(3), y(3);
                     auto* const space = reinterpret_cast<float*>(window->bytes().data());
                     if (channel.rank() == 2) throw std::runtime_error("the cause");
                     exchange.run(Way::forward, x.data(), y.data(), Fill::over, {space, 256});
                   }),
               std::runtime_error);
}

// Two at once, finished in the other order; a map's way to the lines and home gives x back.
TEST(Exchange, SeveralUnderWay) {
  for (const bool pulls : {false, true})
    run_local_ranks(4, [&](Channel& channel) {
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
      const auto size = static_cast<size_t>(first.plan().workspace());
      std::vector<float> ordinary(2 * size);
      const auto window = channel.share(static_cast<std::int64_t>(2 * size * sizeof(float)));
      float* const space =
          pulls ? reinterpret_cast<float*>(window->bytes().data()) : ordinary.data();
      const std::span<float> one(space, size), other(space + size, size);
      first.start(Way::forward, x.data(), a.data(), Fill::over, one);
      second.start(Way::forward, x.data(), b.data(), Fill::over, other);
      second.finish();
      while (!first.progress()) {
      }
      first.finish();
      EXPECT_EQ(a, z);
      EXPECT_EQ(b, z);
      first.run(Way::backward, a.data(), home.data(), Fill::over, one);
      EXPECT_EQ(home, x);
      const Traffic& pulled = first.count(Way::forward).levels.node;
      EXPECT_EQ(pulled.bytes, pulls ? first.plan().sent_bytes(Way::forward) : 0);
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
