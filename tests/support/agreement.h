// What agreement must do on every kind of channel: called on each rank by the tests of both.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "comm/agree.h"
#include "tests/support/errors.h"

namespace ortho::test {

// All ranks hold one message, and it contains `words`.
inline void check_message(Channel& channel, const std::string& message, const std::string& words) {
  EXPECT_NE(message.find(words), std::string::npos) << message;
  for (const std::string& other : channel.gather(message)) EXPECT_EQ(other, message);
}

// Each rank in turn fails alone, in each kind; all throw its message.
inline void check_one_failing_rank(Channel& channel) {
  agree(channel, true, "not said");
  agree(channel, [] {});
  EXPECT_THROW(agree(channel, channel.rank() != 0, "broken"), SharedError);
  for (int failing = 0; failing < channel.ranks(); ++failing) {
    for (const ErrorKind kind :
         {ErrorKind::usage, ErrorKind::data, ErrorKind::disk, ErrorKind::internal}) {
      const std::string why = text("file ", failing, " is damaged");
      const bool ok = channel.rank() != failing;
      check_message(channel, message_of([&] { agree(channel, ok, why, kind); }, kind), why);
      const auto attempt = [&] {
        if (!ok) fail(kind, why);
      };
      check_message(channel, message_of([&] { agree(channel, attempt); }, kind), why);
    }
  }
}

// All ranks fail, each in its own way: the lowest rank's error is everyone's, the others are named.
inline void check_all_failing(Channel& channel) {
  const ErrorKind mine = channel.rank() == 0 ? ErrorKind::disk : ErrorKind::data;
  const std::string why = text("broken at ", channel.rank());
  const std::string message =
      message_of([&] { agree(channel, false, why, mine); }, ErrorKind::disk);
  check_message(channel, message, "broken at 0");
  if (channel.ranks() == 3) check_message(channel, message, "(ranks [1, 2] failed too)");
}

inline void check_require_same(Channel& channel) {
  require_same(channel, "the seed", "1");
  if (channel.ranks() == 1) return;
  const int last = channel.ranks() - 1;
  const std::string mine = channel.rank() == last ? "8" : "7";
  const std::string message =
      message_of([&] { require_same(channel, "the seed", mine); }, ErrorKind::usage);
  check_message(channel, message,
                text("the seed differs between ranks: rank 0 has 7, rank ", last, " has 8."));
  EXPECT_EQ(message.find("failed too"), std::string::npos) << message;
}

}  // namespace ortho::test
