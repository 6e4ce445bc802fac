// Agreement: what one rank alone can meet (a damaged file, a full disk) becomes everyone's error.
//
// Without it the failing rank leaves and the others wait in their next collective for ever. All
// functions are Collective and cost one small all-reduce as long as nothing is wrong.
#pragma once

#include <functional>
#include <source_location>
#include <string>

#include "comm/channel.h"
#include "core/error.h"

namespace ortho {

// An Error that all ranks throw together, with one message: main prints it on rank 0 alone.
class SharedError final : public Error {
 public:
  using Error::Error;
};

// Runs `attempt`, which must not communicate, on every rank. If it throws on any, all throw a
// SharedError: that of the lowest such rank, kind and message kept; the message then also names the
// other ranks that failed.
void agree(Channel& channel, const std::function<void()>& attempt);

// If any rank is not ok, all throw SharedError with the lowest such rank's `kind` and `why`.
void agree(Channel& channel, bool ok, const std::string& why, ErrorKind kind = ErrorKind::data,
           std::source_location where = std::source_location::current());

// All ranks must hold the same `value` (a config's hash, a step, a file name); else all throw
// SharedError(usage) that names `what`, rank 0's value and every rank that differs from it.
void require_same(Channel& channel, const std::string& what, const std::string& value,
                  std::source_location where = std::source_location::current());

}  // namespace ortho
