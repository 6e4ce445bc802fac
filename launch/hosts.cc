#include "launch/hosts.h"

#include <signal.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <filesystem>
#include <memory>
#include <set>
#include <sstream>
#include <thread>

#include "comm/host.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/process.h"
#include "launch/commands.h"
#include "launch/program_path.h"
#include "trainer/program.h"

namespace ortho {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t kLeastShmBytes = 16 << 20;  // Open MPI's own segments of a few ranks
constexpr double kNapSec = 0.05;

std::int64_t free_bytes(const std::string& folder) {
  struct statvfs facts = {};
  if (::statvfs(folder.c_str(), &facts) != 0) return 0;
  return static_cast<std::int64_t>(facts.f_bavail) * static_cast<std::int64_t>(facts.f_frsize);
}

Host parse_host(const std::string& line, const std::string& place) {
  std::istringstream words(line);
  Host host;
  words >> host.name;
  for (std::string word; words >> word;) {
    const bool slots = word.rfind("slots=", 0) == 0;
    const char* end = word.data() + word.size();
    const auto read = std::from_chars(word.data() + (slots ? 6 : 0), end, host.slots);
    REQUIRE(slots && read.ec == std::errc{} && read.ptr == end && host.slots >= 1, place, ": '",
            word, "' is not understood; write a host as: NAME slots=4");
  }
  REQUIRE(host.name.front() != '-', place, ": a host's name does not begin with '-': ", host.name);
  return host;
}

// The words of a process's command line.
std::set<std::string> words_of(pid_t process) {
  std::set<std::string> words;
  try {
    std::istringstream line(read_file(text("/proc/", process, "/cmdline")));
    for (std::string word; std::getline(line, word, '\0');) words.insert(word);
  } catch (const Error&) {
  }  // it ended meanwhile
  return words;
}

// Processes with that word, but this one and those that carry the word to another command.
std::vector<pid_t> processes_with(const std::string& token) {
  std::vector<pid_t> found;
  for (const std::string& name : list_folder("/proc")) {
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const auto process = static_cast<pid_t>(std::stol(name));
    const std::set<std::string> words = words_of(process);
    if (process != ::getpid() && words.count(token) > 0 && words.count("train") > 0 &&
        words.count("-n") == 0)  // mpirun has it too, and ends by itself
      found.push_back(process);
  }
  return found;
}

// Segments of Open MPI that no process has open any more. One that another job is just making is not
// open yet either, but young.
void remove_segments() {
  constexpr std::chrono::seconds kYoung{10};
  std::set<std::string> open;
  std::error_code code;
  for (const std::string& name : list_folder("/proc")) {
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    try {
      std::istringstream maps(read_file("/proc/" + name + "/maps"));
      for (std::string line; std::getline(maps, line);)
        if (const size_t at = line.find("/dev/shm/vader_segment."); at != std::string::npos)
          open.insert(line.substr(at));
    } catch (const Error&) {
    }  // it ended, or is another user's
  }
  const std::string own = text("vader_segment.", host_name(), '.', ::getuid(), '.');
  for (const auto& entry : fs::directory_iterator("/dev/shm", code))
    if (entry.path().filename().string().rfind(own, 0) == 0 && open.count(entry.path()) == 0 &&
        fs::last_write_time(entry.path(), code) < fs::file_time_type::clock::now() - kYoung)
      fs::remove(entry.path(), code);
}

}  // namespace

std::vector<std::string> split_words(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::string shell_word(const std::string& word) {
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + '\'';
}

std::vector<Host> parse_hosts(const std::string& content, const std::string& path) {
  std::vector<Host> hosts;
  std::set<std::string> names;
  std::istringstream lines(content);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    line.resize(std::min(line.size(), line.find('#')));
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    hosts.push_back(parse_host(line, text(path, ':', number)));
    REQUIRE(names.insert(hosts.back().name).second, path, ':', number, ": host ", hosts.back().name,
            " stands there twice");
  }
  REQUIRE(!hosts.empty(), path, " names no host");
  return hosts;
}

std::string hosts_text(const std::vector<Host>& hosts) {
  std::string lines;
  for (const Host& host : hosts) lines += text(host.name, " slots=", host.slots, '\n');
  return lines;
}

int slots_of(const std::vector<Host>& hosts) {
  int slots = 0;
  for (const Host& host : hosts) slots += host.slots;
  return slots;
}

std::string facts_line(const HostFacts& facts) {
  return JsonObject()
      .add("name", facts.name)
      .add("program", facts.program)
      .add("cores", facts.cores)
      .add("shm_bytes", facts.shm_bytes)
      .add("shares_folder", static_cast<std::int64_t>(facts.shares_folder))
      .text();
}

HostFacts facts_here(const std::string& folder, const std::string& token) {
  return {host_name(), program_text(),
          static_cast<std::int64_t>(std::thread::hardware_concurrency()), free_bytes("/dev/shm"),
          file_exists(folder + '/' + token)};
}

std::string refusal(const HostFacts& facts, const HostFacts& own) {
  if (facts.program != own.program)
    return text("has another build: ", facts.program, ", here it is ", own.program);
  if (!facts.shares_folder) return "does not see the run folder: all hosts need one disk for it";
  if (facts.shm_bytes < kLeastShmBytes)
    return text("has ", facts.shm_bytes, " bytes free in /dev/shm, ", kLeastShmBytes,
                " are needed");
  return "";
}

RemoteShell::RemoteShell(const std::string& words) : words_(split_words(words)) {
  REQUIRE(!words_.empty(), "--remote-shell is empty");
}

std::vector<std::string> RemoteShell::command(const std::string& host,
                                              const std::vector<std::string>& words) const {
  std::vector<std::string> all = words_;
  all.push_back(host);
  for (const std::string& word : words) all.push_back(shell_word(word));
  return all;
}

namespace {

HostAnswer read_answer(const Host& host, const std::string& output, const HostFacts& own) {
  HostAnswer answer{host, true, "", ""};
  const size_t begin = output.find('{'), end = output.find('}');
  try {
    REQUIRE(begin != std::string::npos && end != std::string::npos, "no answer in it");
    const ConfigNode node = parse_json(output.substr(begin, end - begin + 1), host.name);
    HostFacts facts;
    answer.name = node.find("name")->value;
    facts.program = node.find("program")->value;
    facts.shm_bytes = std::stoll(node.find("shm_bytes")->value);
    facts.shares_folder = node.find("shares_folder")->value == "1";
    answer.refusal = refusal(facts, own);
  } catch (const std::exception&) {
    answer.refusal = "answers, but cannot run this program: " + output;
  }
  return answer;
}

}  // namespace

std::vector<HostAnswer> RemoteShell::check(const std::vector<Host>& hosts,
                                           const std::string& folder, const std::string& token,
                                           double patience_sec) const {
  const HostFacts own = facts_here(folder, token);
  const std::string program = program_beside("orthotope");
  std::vector<std::unique_ptr<Process>> asked;
  for (const Host& host : hosts)
    asked.push_back(
        std::make_unique<Process>(command(host.name, {program, "host-check", folder, token})));
  const auto until = Clock::now() + std::chrono::duration<double>(patience_sec);
  std::vector<HostAnswer> answers;
  for (size_t i = 0; i < hosts.size(); ++i) {
    const double left = std::chrono::duration<double>(until - Clock::now()).count();
    const std::optional<int> code = asked[i]->wait_for(std::max(left, kNapSec));
    const std::string output = asked[i]->take_output();
    if (code == std::nullopt || *code == 255)  // 255: ssh itself
      answers.push_back({hosts[i], false, text("does not answer. ", output), ""});
    else
      answers.push_back(read_answer(hosts[i], output, own));
  }
  return answers;
}

bool RemoteShell::answers(const std::string& host, double patience_sec) const {
  Process asked(command(host, {"true"}));
  return asked.wait_for(patience_sec) == 0;
}

void RemoteShell::sweep(const std::vector<Host>& hosts, const std::string& token,
                        double patience_sec) const {
  const std::string program = program_beside("orthotope");
  std::vector<std::unique_ptr<Process>> asked;
  for (const Host& host : hosts)
    asked.push_back(std::make_unique<Process>(command(host.name, {program, "sweep", token})));
  const auto until = Clock::now() + std::chrono::duration<double>(patience_sec);
  for (const auto& one : asked)
    one->wait_for(std::chrono::duration<double>(until - Clock::now()).count());
}

int sweep_here(const std::string& token, double patience_sec) {
  const auto until = Clock::now() + std::chrono::duration<double>(patience_sec);
  std::vector<pid_t> left = processes_with(token);
  while (!left.empty() && Clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::duration<double>(kNapSec));
    left = processes_with(token);
  }
  for (const pid_t process : left) ::kill(process, SIGKILL);
  const auto gone = Clock::now() + std::chrono::duration<double>(patience_sec);
  while (!processes_with(token).empty() && Clock::now() < gone)
    std::this_thread::sleep_for(std::chrono::duration<double>(kNapSec));
  remove_segments();
  return static_cast<int>(left.size());
}

}  // namespace ortho
