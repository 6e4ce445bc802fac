#include "comm/cuda/nccl_family.h"

#include <chrono>
#include <cstdio>
#include <thread>

namespace ortho {
namespace {

constexpr auto kPause = std::chrono::microseconds(50);  // between two looks at a communicator

std::string who(const Member& member, const std::string& what) {
  return text(member.name, ", rank ", member.rank, " of ", member.ranks, ", ", what, ": ");
}

// What NCCL says, with its own last words.
std::string words(const Member& member, ncclResult_t result) {
  const char* last = ncclGetLastError(member.communicator);
  return text("NCCL: ", ncclGetErrorString(result),
              last == nullptr || *last == '\0' ? "" : text(" (", last, ")"));
}

}  // namespace

void NcclFamily::give_up(const Member& member, const std::string& what, const std::string& why,
                         std::source_location where) {
  const std::string message = who(member, what) + why;
  aborted_ = true;
  for (const Member& one : members_) ncclCommAbort(one.communicator);
  members_.clear();
  fail(ErrorKind::internal,
       message + ". No channel of this device works any more; start again from the last checkpoint",
       where);
}

void NcclFamily::look(const Member& member, const std::string& what) {
  for (const Member& one : members_) {
    ncclResult_t state = ncclSuccess;
    const ncclResult_t asked = ncclCommGetAsyncError(one.communicator, &state);
    if (asked != ncclSuccess) state = asked;
    if (state == ncclSuccess || state == ncclInProgress) continue;
    const std::string late = lanes_.first_late();
    give_up(one, late.empty() ? what : late,
            text(words(one, state), ", in ", what, " of ", member.name),
            std::source_location::current());
  }
}

void NcclFamily::check(const Member& member, ncclResult_t result, const std::string& what,
                       std::source_location where) {
  if (aborted_)
    fail(ErrorKind::internal, who(member, what) + "the channel was given up before", where);
  const auto begun = std::chrono::steady_clock::now();
  while (result == ncclInProgress) {
    if (std::chrono::steady_clock::now() - begun > lanes_.deadline())
      give_up(member, what, text("is in progress for more than ", lanes_.deadline().count(), " s"),
              where);
    std::this_thread::sleep_for(kPause);
    const ncclResult_t asked = ncclCommGetAsyncError(member.communicator, &result);
    if (asked != ncclSuccess) result = asked;
  }
  if (result != ncclSuccess) give_up(member, what, words(member, result), where);
}

Member NcclFamily::add(ncclComm_t communicator, const std::string& name) {
  Member member{communicator, name, 0, 0};
  members_.push_back(member);
  check(member, ncclInProgress, "joining the ranks");
  check(member, ncclCommUserRank(communicator, &member.rank), "its rank");
  check(member, ncclCommCount(communicator, &member.ranks), "its ranks");
  members_.back() = member;
  return member;
}

void NcclFamily::wait(const Member& member, const std::string& what) {
  if (aborted_) fail(ErrorKind::internal, who(member, what) + "the channel was given up before");
  if (lanes_.wait(lanes_.device().stream(), [&] { look(member, what); })) return;
  const std::string late = lanes_.first_late();
  give_up(member, late.empty() ? what : late,
          text("not done after ", lanes_.deadline().count(), " s, in ", what,
               ". A rank hangs, or did not call it"),
          std::source_location::current());
}

// A communicator that still works is ended together with the other ranks.
void NcclFamily::finish(ncclComm_t communicator) {
  ncclResult_t state = ncclCommFinalize(communicator);
  const auto begun = std::chrono::steady_clock::now();
  while (state == ncclInProgress && std::chrono::steady_clock::now() - begun < lanes_.deadline()) {
    std::this_thread::sleep_for(kPause);
    if (ncclCommGetAsyncError(communicator, &state) != ncclSuccess) state = ncclSystemError;
  }
  if (state == ncclSuccess)
    ncclCommDestroy(communicator);
  else
    ncclCommAbort(communicator);
}

NcclFamily::~NcclFamily() {
  bool healthy = !aborted_ && std::uncaught_exceptions() == exceptions_;
  try {
    healthy = healthy && lanes_.wait(lanes_.stream(), [] {});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "NCCL could not be ended in order: %s\n", error.what());
    healthy = false;
  }
  for (; !members_.empty(); members_.pop_back()) {  // those that were split off first
    if (healthy)
      finish(members_.back().communicator);
    else
      ncclCommAbort(members_.back().communicator);
  }
}

}  // namespace ortho
