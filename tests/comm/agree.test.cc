// Agreement over local ranks.
#include "comm/agree.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "comm/local.h"
#include "tests/support/agreement.h"
#include "tests/support/errors.h"

namespace ortho {
namespace {

class Agree : public testing::TestWithParam<int> {};

TEST_P(Agree, OneFailingRankIsEveryones) {
  run_local_ranks(GetParam(), test::check_one_failing_rank);
}
TEST_P(Agree, TheLowestFailingRankSpeaks) { run_local_ranks(GetParam(), test::check_all_failing); }
TEST_P(Agree, ADifferingRankIsNamed) { run_local_ranks(GetParam(), test::check_require_same); }

INSTANTIATE_TEST_SUITE_P(Ranks, Agree, testing::Range(1, 9), testing::PrintToStringParamName());

TEST(AgreeForeign, OtherExceptionsTravelAsInternal) {
  run_local_ranks(3, [](Channel& channel) {
    const auto attempt = [&] {
      if (channel.rank() == 1) throw std::runtime_error("out of luck");
    };
    const std::string message = message_of([&] { agree(channel, attempt); }, ErrorKind::internal);
    EXPECT_EQ(message, "out of luck");
  });
}

TEST(AgreePlace, MessageNamesTheCaller) {
  const std::unique_ptr<Channel> channel = make_single_channel();
  const std::string message =
      message_of([&] { agree(*channel, false, "damaged"); }, ErrorKind::data);
  EXPECT_NE(message.find("comm/agree.test.cc:"), std::string::npos) << message;
}

}  // namespace
}  // namespace ortho
