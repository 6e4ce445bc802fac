// Errors: every failure is an exception that says who, where, what, and what to do.
//
// REQUIRE checks what the user gave, ASSERT what we promised ourselves.
// A message carries rank, host, file:line, the values on both sides
// and a hint. One catch, in main, prints it and exits with exit_code().
#pragma once

#include <cstdint>
#include <source_location>
#include <sstream>
#include <stdexcept>
#include <string>

namespace ortho {

// What kind of failure it is decides the exit code,
// and so whether a supervisor starts the run again.
enum class ErrorKind {
  usage,     // config or command wrong: 64, never restarted
  data,      // an input or checkpoint file is damaged or of the wrong kind: 65
  disk,      // a disk is full or not writable: 74
  internal,  // ours: 1
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : Error(kind, "", message) {}
  // what() is place + reason; another message that quotes this one wants the reason alone.
  Error(ErrorKind kind, const std::string& place, const std::string& reason)
      : std::runtime_error(place + reason), kind_(kind), reason_(reason) {}
  ErrorKind kind() const { return kind_; }
  const std::string& reason() const { return reason_; }
  int exit_code() const;

 private:
  ErrorKind kind_;
  std::string reason_;
};

// Joins parts into one string: text("block ", 41, " is damaged").
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

// "[2, 3, 4]" for any sequence of numbers or words.
template <class Sequence>
std::string list_text(const Sequence& sequence) {
  std::ostringstream out;
  const char* comma = "";
  out << '[';
  for (const auto& item : sequence) {
    out << comma << item;
    comma = ", ";
  }
  out << ']';
  return out.str();
}

// Given once by comm, so that core need not know MPI: prefixes every message.
void set_rank(int rank, int ranks, const std::string& host);

// Throws Error with rank, host and place in front of the message.
[[noreturn]] void fail(ErrorKind kind, const std::string& message,
                       std::source_location where = std::source_location::current());

// The message of the last failed system call: "No space left on device (errno 28)".
std::string system_error();

// a * b * … of sizes that must not be negative; fails with usage when the product passes 2^62.
std::int64_t checked_product(std::int64_t a, std::int64_t b);

}  // namespace ortho

#define REQUIRE(condition, ...)                                             \
  do {                                                                      \
    if (!(condition)) [[unlikely]]                                          \
      ::ortho::fail(::ortho::ErrorKind::usage, ::ortho::text(__VA_ARGS__)); \
  } while (false)

#define ASSERT(condition, ...)                                                                     \
  do {                                                                                             \
    if (!(condition)) [[unlikely]]                                                                 \
      ::ortho::fail(::ortho::ErrorKind::internal, ::ortho::text("broken promise: ", #condition,    \
                                                                ". " __VA_OPT__(, ) __VA_ARGS__)); \
  } while (false)
