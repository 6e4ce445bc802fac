#include "core/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <tuple>

#include "core/error.h"
#include "core/file.h"

namespace ortho {
namespace {

using Descriptor = Handle<DescriptorTraits>;
using Clock = std::chrono::steady_clock;

constexpr int kNapMs = 5;  // between two looks at a process

std::pair<Descriptor, Descriptor> make_pipe() {
  std::array<int, 2> ends{};
  ASSERT(::pipe2(ends.data(), O_CLOEXEC) == 0, system_error());
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

// This process's variables, with `more` in place of those of the same name.
std::vector<std::string> environment_with(
    const std::vector<std::pair<std::string, std::string>>& more) {
  std::map<std::string, std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string line = *entry;
    const size_t equals = line.find('=');
    if (equals != std::string::npos) all[line.substr(0, equals)] = line.substr(equals + 1);
  }
  for (const auto& [name, value] : more) all[name] = value;
  std::vector<std::string> lines;
  for (const auto& [name, value] : all) lines.push_back(name + '=' + value);
  return lines;
}

std::vector<char*> pointers_to(const std::vector<std::string>& lines) {
  std::vector<char*> pointers;
  for (const std::string& line : lines) pointers.push_back(const_cast<char*>(line.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// All that the child needs, made before fork: behind it only calls that are safe there are made.
struct Start {
  const char* program;
  char* const* words;
  char* const* environment;
  const char* folder;  // null: stays
  int input, output, report;
  rlim_t max_file_bytes;  // 0: no limit
};

bool prepare(const Start& start) {
  sigset_t none;
  ::sigemptyset(&none);
  if (::setpgid(0, 0) != 0 || ::prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 ||
      ::sigprocmask(SIG_SETMASK, &none, nullptr) != 0)
    return false;
  if (start.folder != nullptr && ::chdir(start.folder) != 0) return false;
  if (start.max_file_bytes > 0) {
    const rlimit limit = {start.max_file_bytes, start.max_file_bytes};
    // Ignored, so that the write fails with an error instead of ending the program.
    if (::signal(SIGXFSZ, SIG_IGN) == SIG_ERR || ::setrlimit(RLIMIT_FSIZE, &limit) != 0)
      return false;
  }
  return ::dup2(start.input, STDIN_FILENO) >= 0 && ::dup2(start.output, STDOUT_FILENO) >= 0 &&
         ::dup2(start.output, STDERR_FILENO) >= 0;
}

[[noreturn]] void become(const Start& start) {
  if (prepare(start)) ::execve(start.program, start.words, start.environment);
  const int error = errno;
  // If even this fails, the parent sees the exit code.
  [[maybe_unused]] const ssize_t written = ::write(start.report, &error, sizeof error);
  ::_exit(127);
}

// Parent of each process the system has. A process that vanishes meanwhile is left out.
std::multimap<pid_t, pid_t> children_by_parent() {
  std::multimap<pid_t, pid_t> children;
  for (const std::string& name : list_folder("/proc")) {
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::string line;
    std::ifstream file("/proc/" + name + "/stat");
    if (!std::getline(file, line)) continue;
    // "12 (name) S 3 …": the name may hold anything, even a bracket.
    const size_t close = line.rfind(')');
    if (close == std::string::npos) continue;
    std::string state;
    pid_t parent = 0;
    if (std::istringstream(line.substr(close + 1)) >> state >> parent)
      children.emplace(parent, static_cast<pid_t>(std::stol(name)));
  }
  return children;
}

}  // namespace

void DescriptorTraits::close(int descriptor) { ::close(descriptor); }

std::string find_program(const std::string& name) {
  const auto executable = [](const std::string& path) { return ::access(path.c_str(), X_OK) == 0; };
  if (name.find('/') != std::string::npos) return executable(name) ? name : "";
  const char* variable = std::getenv("PATH");
  std::istringstream folders(variable == nullptr ? "" : variable);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string path = (folder.empty() ? "." : folder) + "/" + name;
    if (executable(path)) return path;
  }
  return "";
}

std::vector<pid_t> descendants(pid_t root) {
  const auto children = children_by_parent();
  std::vector<pid_t> found, open = {root};
  while (!open.empty()) {
    const auto [begin, end] = children.equal_range(open.back());
    open.pop_back();
    for (auto child = begin; child != end; ++child) {
      found.push_back(child->second);
      open.push_back(child->second);
    }
  }
  return found;
}

Process::Process(const std::vector<std::string>& words, const ProcessOptions& options) {
  ASSERT(!words.empty(), "a process needs a program");
  const std::string program = find_program(words.front());
  REQUIRE(!program.empty(), "cannot start ", words.front(), ": there is no such program");
  const Descriptor input(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  Descriptor output;
  if (options.log.empty()) {
    std::tie(output_, output) = make_pipe();
    ::fcntl(output_.get(), F_SETFL, O_NONBLOCK);
  } else {
    output = Descriptor(
        ::open(options.log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_APPEND, 0644));
  }
  REQUIRE(input.get() >= 0 && output.get() >= 0, "cannot start ", words.front(),
          ": cannot open its input and output ", options.log, ": ", system_error());
  auto [report, child_report] = make_pipe();
  const std::vector<std::string> environment = environment_with(options.environment);
  const std::vector<char*> word_pointers = pointers_to(words), variables = pointers_to(environment);
  const Start start = {
      program.c_str(),    word_pointers.data(),
      variables.data(),   options.folder.empty() ? nullptr : options.folder.c_str(),
      input.get(),        output.get(),
      child_report.get(), static_cast<rlim_t>(options.max_file_bytes)};
  id_ = ::fork();
  ASSERT(id_ >= 0, "cannot start ", words.front(), ": ", system_error());
  if (id_ == 0) become(start);
  child_report.reset();
  int error = 0;
  ssize_t got = 0;
  do {
    got = ::read(report.get(), &error, sizeof error);  // ends when exec closes the other end
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return;
  wait();
  REQUIRE(false, "cannot start ", program, ": ", std::strerror(error));
}

Process::~Process() {
  if (code_) return;
  kill_all();
  wait();
}

void Process::send(int signal) const {
  if (!code_) ::kill(id_, signal);
}

void Process::kill_all() {
  if (code_) return;  // the number may be another's by now
  const std::vector<pid_t> others = descendants(id_);
  ::kill(-id_, SIGKILL);
  ::kill(id_, SIGKILL);
  for (const pid_t other : others) ::kill(other, SIGKILL);
}

bool Process::running() {
  if (code_) return false;
  drain();
  int status = 0;
  const pid_t ended = ::waitpid(id_, &status, WNOHANG);
  if (ended != id_) return true;
  drain();
  code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return false;
}

std::optional<int> Process::wait_for(double sec) {
  const auto until = Clock::now() + std::chrono::duration<double>(sec);
  while (running()) {
    if (Clock::now() >= until) return std::nullopt;
    // Wakes up for what it says, so that it never waits for us to read; a closed output is no news.
    pollfd ready{output_.get(), POLLIN, 0};
    if (::poll(&ready, 1, kNapMs) > 0 && (ready.revents & POLLIN) == 0) ::usleep(kNapMs * 1000);
  }
  return code_;
}

int Process::wait() {
  while (!wait_for(3600)) continue;
  return *code_;
}

bool Process::wait_until(const std::function<bool()>& happened) {
  while (!happened()) {
    if (!running()) return false;
    ::usleep(200);
  }
  return true;
}

int Process::end(double patience_sec) {
  send(SIGTERM);
  if (!wait_for(patience_sec)) kill_all();
  return wait();
}

void Process::drain() {
  std::array<char, 4096> buffer;
  while (output_.get() >= 0) {
    const ssize_t got = ::read(output_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;  // nothing now, or its end
    said_.append(buffer.data(), static_cast<size_t>(got));
  }
}

std::string Process::take_output() {
  drain();
  return std::exchange(said_, {});
}

}  // namespace ortho
