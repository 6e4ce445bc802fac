#include "dataio/media/decoder.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "core/handle.h"
#include "dataio/media/media_format.h"

namespace ortho {
namespace {

using Clock = std::chrono::steady_clock;

struct SocketTraits {
  using Type = int;
  static int null() { return -1; }
  static void close(int socket) { ::close(socket); }
};
using Socket = Handle<SocketTraits>;

// Beyond the time that the worker has for a file, to get its bytes there and what it made back.
std::chrono::seconds transfer_time(std::size_t bytes) {
  constexpr std::size_t slowest = std::size_t{1} << 24;  // bytes a second
  return std::chrono::seconds(2 + bytes / slowest);
}

constexpr int kExecFailed = 127;  // as shells say it

std::string end_text(int status, std::int64_t seconds) {
  if (WIFEXITED(status)) return text("ended with exit code ", WEXITSTATUS(status));
  const int signal = WTERMSIG(status);
  if (signal == SIGXCPU) return text("used up its ", seconds, " seconds of computing");
  return text("was ended by signal ", signal, " (", ::strsignal(signal), ')');
}

}  // namespace

// One process and the socket that is its standard input and output.
class Decoder::Worker {
 public:
  explicit Worker(const std::string& program) {
    int ends[2];
    ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, system_error());
    socket_ = Socket(ends[0]);
    const Socket child_end(ends[1]);
    const char* const words[] = {program.c_str(), nullptr};
    process_ = ::fork();
    ASSERT(process_ >= 0, "cannot start ", program, ": ", system_error());
    if (process_ > 0) return;
    // Only calls that are safe between fork and exec. dup2 drops the flag that closes at exec.
    if (::dup2(ends[1], STDIN_FILENO) >= 0 && ::dup2(ends[1], STDOUT_FILENO) >= 0)
      ::execv(words[0], const_cast<char* const*>(words));
    ::_exit(kExecFailed);
  }
  ~Worker() {
    if (process_ > 0) ::kill(process_, SIGKILL);
    end();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // False when the worker is gone or the deadline is past; then end() and late() tell which.
  bool send(const void* bytes, std::size_t size, Clock::time_point deadline) {
    const auto* at = static_cast<const std::uint8_t*>(bytes);
    while (size > 0) {
      if (!wait_for(POLLOUT, deadline)) return false;
      // No signal when the worker is gone, and never a wait that poll does not see.
      const ssize_t sent = ::send(socket_.get(), at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
      if (sent <= 0) continue;
      at += sent;
      size -= static_cast<std::size_t>(sent);
    }
    return true;
  }

  bool receive(void* bytes, std::size_t size, Clock::time_point deadline) {
    auto* at = static_cast<std::uint8_t*>(bytes);
    while (size > 0) {
      if (!wait_for(POLLIN, deadline)) return false;
      const ssize_t got = ::recv(socket_.get(), at, size, MSG_DONTWAIT);
      if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return false;
      if (got < 0) continue;
      at += got;
      size -= static_cast<std::size_t>(got);
    }
    return true;
  }

  bool late() const { return late_; }

  // How it ended. One that closed its socket is about to leave by itself, with a status that tells
  // why; after two seconds, or when it is late, it is killed.
  int end() {
    if (late_ && process_ > 0) ::kill(process_, SIGKILL);
    socket_.reset();
    const Clock::time_point patience = Clock::now() + std::chrono::seconds(2);
    int status = 0;
    while (process_ > 0 && ::waitpid(process_, &status, WNOHANG) == 0) {
      if (Clock::now() > patience) ::kill(process_, SIGKILL);
      ::usleep(1000);
    }
    process_ = -1;
    return status;
  }

 private:
  bool wait_for(short what, Clock::time_point deadline) {
    while (true) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
      pollfd ready{socket_.get(), what, 0};
      const int count = left > 0 ? ::poll(&ready, 1, static_cast<int>(left)) : 0;
      if (count > 0) return true;
      if (count < 0 && errno == EINTR) continue;
      late_ = true;
      return false;
    }
  }

  Socket socket_;
  pid_t process_ = -1;
  bool late_ = false;
};

Decoder::Decoder(std::string program) : program_(std::move(program)) {}
Decoder::~Decoder() = default;

std::vector<Part> Decoder::decode(std::span<const std::uint8_t> bytes, const std::string& name,
                                  const MediaRule& rule) {
  const char* format = media_format_name(media_format(bytes));
  if (::access(program_.c_str(), X_OK) != 0)
    fail(ErrorKind::usage,
         text(name, " is a ", format, " file, and there is no program ", program_,
              " to decode it. Install FFmpeg's libraries (launch/packages.sh media: "
              "libavformat-dev libavcodec-dev libavutil-dev libswscale-dev), run cmake and build "
              "again, or name the program with --decoder"));
  if (bytes.size() > kMaxMediaBytes)
    fail(ErrorKind::data,
         text(name, " has ", bytes.size(), " bytes; at most ", kMaxMediaBytes, " are decoded"));
  // Whatever throws takes the worker with it; it is put back when its answer was good.
  std::unique_ptr<Worker> worker = std::move(worker_);
  if (!worker) {
    worker = std::make_unique<Worker>(program_);
    ++starts_;
  }
  const auto refuse = [&](const std::string& why) {
    fail(ErrorKind::data, text(name, " (", format, ") cannot be decoded: ", why));
  };
  const auto deadline =
      Clock::now() + std::chrono::seconds(rule.seconds) + transfer_time(bytes.size());
  const RequestHead head = request_head(rule, bytes.size());
  AnswerHead answer{};
  std::vector<std::uint8_t> payload;
  const bool answered = worker->send(&head, sizeof head, deadline) &&
                        worker->send(bytes.data(), bytes.size(), deadline) &&
                        worker->receive(&answer, sizeof answer, deadline);
  std::string fault = answered ? head_fault(answer) : "";
  if (answered && fault.empty()) payload.resize(answer.nbytes);
  if (!answered || (fault.empty() && !worker->receive(payload.data(), payload.size(), deadline))) {
    const int status = worker->end();
    refuse(text("orthotope-decode ",
                worker->late() ? "did not answer in time" : end_text(status, rule.seconds)));
  }
  if (fault.empty()) fault = payload_fault(answer, payload);
  if (!fault.empty()) refuse("orthotope-decode gave " + fault);
  std::vector<Part> parts;
  if (answer.refused == 0) parts = parts_from(payload, name);
  worker_ = std::move(worker);
  if (answer.refused != 0) refuse(reason_from(payload));
  return parts;
}

}  // namespace ortho
