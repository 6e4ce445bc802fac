// Hosts: the machines a run may use, and what each answers when it is asked.
//
// A remote shell is anything that takes `HOST COMMAND`, joins the command's words and gives them to
// a shell there, as ssh does; the same one serves these questions and mpirun.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launch/options.h"

namespace ortho {

struct Host {
  std::string name;
  int slots = 1;  // ranks
  bool operator==(const Host&) const = default;
};

// "node1 slots=4" a line; `#` begins a comment. Error(usage) names file and line.
std::vector<Host> parse_hosts(const std::string& content, const std::string& path);
std::string hosts_text(const std::vector<Host>& hosts);  // parses to the same; mpirun reads it too
int slots_of(const std::vector<Host>& hosts);

// What a host that answers says of itself, as one line of JSON.
struct HostFacts {
  std::string name;     // its own, as its ranks give it
  std::string program;  // the build that lies there
  std::int64_t cores = 0;
  std::int64_t shm_bytes = 0;  // free in /dev/shm
  bool shares_folder = false;  // sees the run folder's file
};
std::string facts_line(const HostFacts& facts);
HostFacts facts_here(const std::string& folder, const std::string& token);
// Why the host cannot take part in a run, or "". `own` are the facts of this process's host.
std::string refusal(const HostFacts& facts, const HostFacts& own);

struct HostAnswer {
  Host host;
  bool answers = false;
  std::string refusal;  // why it cannot be used; "" when it can
  std::string name;     // its own
};

class RemoteShell {
 public:
  explicit RemoteShell(const std::string& words);  // split at spaces
  std::vector<std::string> command(const std::string& host,
                                   const std::vector<std::string>& words) const;
  // Asks all at once; a host that says nothing within the time does not answer.
  std::vector<HostAnswer> check(const std::vector<Host>& hosts, const std::string& folder,
                                const std::string& token, double patience_sec) const;
  bool answers(const std::string& host, double patience_sec) const;
  void sweep(const std::vector<Host>& hosts, const std::string& token, double patience_sec) const;

 private:
  std::vector<std::string> words_;
};

// Ends processes of this host that have `token` as a word of their command line, and removes the
// shared memory that killed ranks of this user left. Returns how many it had to kill.
int sweep_here(const std::string& token, double patience_sec);

// One word for a POSIX shell.
std::string shell_word(const std::string& word);
std::vector<std::string> split_words(const std::string& line);

}  // namespace ortho
