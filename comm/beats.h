// Beats: what each rank tells the supervisor once a second, over a TCP connection of its own.
//
// One JSON object a line. Not through the launcher's output, which a hung launcher keeps, and not
// by files, which network disks cache. Lines without the run's token are ignored.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "comm/journal.h"
#include "core/process.h"

namespace ortho {

struct Beat {
  int rank = 0;
  std::string host;
  std::int64_t process = 0;  // its id on the host
  std::string job;           // the launcher's number of the job, or ""
  Activity activity;
  double quiet_sec = 0;    // without a sign of life
  double named_sec = 0;    // quiet for longer is worth a line …
  double allowed_sec = 0;  // … and for longer than this a hang
};

std::string beat_line(const Beat& beat, const std::string& token);
// False: not a line of that token; `beat` is then unchanged.
bool read_beat(std::string_view line, const std::string& token, Beat& beat);

// Of one rank. Never waits for long and never throws: a supervisor that is gone must not end a run.
class BeatSender {
 public:
  BeatSender(const std::string& address, std::string token);  // "10.0.0.7:40123"
  bool send(const Beat& beat);  // false: nobody listens; tries to connect again each time

 private:
  bool connect();
  std::string host_, port_, token_;
  Handle<DescriptorTraits> socket_;
};

class BeatListener {
 public:
  // On a free port of all addresses of this host. Error(internal) when there is none.
  explicit BeatListener(std::string token);
  int port() const { return port_; }
  std::vector<Beat> take();  // what came since the last call, in order; never waits

 private:
  void accept_all();
  std::string token_;
  Handle<DescriptorTraits> socket_;
  int port_ = 0;
  std::map<int, std::pair<Handle<DescriptorTraits>, std::string>> open_;  // with the unread rest
};

// The address of this host that `host` reaches it by, "" when that is not known; no packet is sent.
std::string address_towards(const std::string& host);
// The address that this host has in a network; "" when it has none. Error(usage) when it is no
// network.
std::string address_in(const std::string& network);
// The network of one of this host's addresses, as "10.0.0.0/24"; "" when it is none of them.
std::string network_of(const std::string& address);

}  // namespace ortho
