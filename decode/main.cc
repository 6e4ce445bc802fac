// orthotope-decode: reads requests from standard input, answers on standard output, until the end.
//
// It handles hostile files, so it gives up what it does not need: once it runs it can open no file
// and no connection, write no file, and take only so much memory; each file has only so much time.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <new>

#include "core/error.h"
#include "dataio/media/decode_message.h"
#include "decode/libav.h"
#include "decode/media.h"

namespace ortho {
namespace {

// 0: no limit of it, nor of open files: a sanitizer reserves terabytes and probes memory by pipes.
constexpr rlim_t kMemoryBytes = ORTHO_DECODE_MEMORY;

void limit(decltype(RLIMIT_AS) what, rlim_t value) {
  const rlimit both = {value, value};
  ASSERT(::setrlimit(what, &both) == 0, system_error());
}

void give_up_rights() {
  if (kMemoryBytes > 0) {
    limit(RLIMIT_AS, kMemoryBytes);
    limit(RLIMIT_NOFILE, 0);
  }
  limit(RLIMIT_FSIZE, 0);
  limit(RLIMIT_CORE, 0);
  ASSERT(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, system_error());
}

// From now on so many seconds of computing; then SIGXCPU ends the program.
void limit_time(std::int64_t seconds) {
  rusage used{};
  ASSERT(::getrusage(RUSAGE_SELF, &used) == 0, system_error());
  const auto spent = static_cast<rlim_t>(used.ru_utime.tv_sec + used.ru_stime.tv_sec);
  const rlimit both = {spent + 2 + static_cast<rlim_t>(seconds), RLIM_INFINITY};
  ASSERT(::setrlimit(RLIMIT_CPU, &both) == 0, system_error());
}

// False at the end of the input, before the first byte.
bool read_all(void* to, std::size_t size) {
  auto* at = static_cast<std::uint8_t*>(to);
  std::size_t left = size;
  while (left > 0) {
    const ssize_t got = ::read(STDIN_FILENO, at, left);
    if (got == 0 && left == size) return false;
    ASSERT(got > 0, "the request ends early");
    at += got;
    left -= static_cast<std::size_t>(got);
  }
  return true;
}

void write_all(const void* from, std::size_t size) {
  const auto* at = static_cast<const std::uint8_t*>(from);
  while (size > 0) {
    const ssize_t sent = ::write(STDOUT_FILENO, at, size);
    ASSERT(sent > 0, system_error());
    at += sent;
    size -= static_cast<std::size_t>(sent);
  }
}

void answer(bool refused, std::span<const std::uint8_t> payload) {
  const AnswerHead head = answer_head(refused, payload);
  write_all(&head, sizeof head);
  write_all(payload.data(), payload.size());
}

void refuse(std::string reason) {
  reason.resize(std::min<std::size_t>(reason.size(), kMaxReasonBytes));
  answer(true, {reinterpret_cast<const std::uint8_t*>(reason.data()), reason.size()});
}

void handle(std::span<const std::uint8_t> bytes, const MediaRule& rule) {
  std::vector<std::uint8_t> payload;
  try {
    payload = parts_payload(decode_media(bytes, rule));
    if (payload.size() > kMaxAnswerBytes)
      fail(ErrorKind::data, text("its parts take more than ", kMaxAnswerBytes >> 20, " MiB"));
  } catch (const Error& error) {
    return refuse(error.reason());
  } catch (const std::bad_alloc&) {
    return refuse(text("decoding it takes more than ", kMemoryBytes >> 20, " MiB of memory"));
  }
  answer(false, payload);
}

void serve() {
  give_up_rights();
  keep_complaints();
  RequestHead head;
  while (read_all(&head, sizeof head)) {
    const MediaRule rule = rule_of(head);
    std::vector<std::uint8_t> bytes(head.nbytes);
    if (head.nbytes > 0) ASSERT(read_all(bytes.data(), bytes.size()), "the request has no file");
    limit_time(rule.seconds);
    handle(bytes, rule);
  }
}

}  // namespace
}  // namespace ortho

int main() {
  try {
    ortho::serve();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "orthotope-decode: %s\n", error.what());
    return 1;
  }
}
