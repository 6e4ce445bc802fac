#include "comm/beats.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <memory>

#include "core/error.h"
#include "core/json.h"

namespace ortho {
namespace {

using Socket = Handle<DescriptorTraits>;

constexpr int kConnectMs = 1000;
constexpr size_t kLongestLine = 1 << 16;  // more without an end is no rank

using Found = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Found look_up(const std::string& host, const char* port, int type) {
  addrinfo wanted = {};
  wanted.ai_family = AF_INET;
  wanted.ai_socktype = type;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), port, &wanted, &found) != 0) found = nullptr;
  return {found, ::freeaddrinfo};
}

std::string address_text(const in_addr& address) {
  std::array<char, INET_ADDRSTRLEN> buffer{};
  return ::inet_ntop(AF_INET, &address, buffer.data(), buffer.size()) == nullptr ? ""
                                                                                 : buffer.data();
}

double number_of(const ConfigNode& node, const char* key) {
  const ConfigNode* value = node.find(key);
  return value == nullptr || value->value.empty() ? 0 : std::stod(value->value);
}

std::string word_of(const ConfigNode& node, const char* key) {
  const ConfigNode* value = node.find(key);
  return value == nullptr ? "" : value->value;
}

}  // namespace

std::string beat_line(const Beat& beat, const std::string& token) {
  const Activity& now = beat.activity;
  return JsonObject()
             .add("token", token)
             .add("rank", static_cast<std::int64_t>(beat.rank))
             .add("host", beat.host)
             .add("process", beat.process)
             .add("job", beat.job)
             .add("phase", now.phase)
             .add("step", now.step)
             .add("number", now.number)
             .add("operation", now.operation)
             .add("bytes", now.bytes)
             .add("busy", now.busy_sec)
             .add("quiet", beat.quiet_sec)
             .add("named", beat.named_sec)
             .add("allowed", beat.allowed_sec)
             .text() +
         '\n';
}

bool read_beat(std::string_view line, const std::string& token, Beat& beat) {
  try {
    const ConfigNode node = parse_json(line, "a beat");
    if (word_of(node, "token") != token) return false;
    Beat read;
    read.rank = static_cast<int>(number_of(node, "rank"));
    read.host = word_of(node, "host");
    read.process = static_cast<std::int64_t>(number_of(node, "process"));
    read.job = word_of(node, "job");
    read.activity.phase = word_of(node, "phase");
    read.activity.step = static_cast<std::int64_t>(number_of(node, "step"));
    read.activity.number = static_cast<std::int64_t>(number_of(node, "number"));
    read.activity.operation = word_of(node, "operation");
    read.activity.bytes = static_cast<std::int64_t>(number_of(node, "bytes"));
    read.activity.busy_sec = number_of(node, "busy");
    read.quiet_sec = number_of(node, "quiet");
    read.named_sec = number_of(node, "named");
    read.allowed_sec = number_of(node, "allowed");
    beat = read;
    return true;
  } catch (const std::exception&) {
    return false;  // anyone may connect to the port and write what he likes
  }
}

BeatSender::BeatSender(const std::string& address, std::string token) : token_(std::move(token)) {
  const size_t colon = address.rfind(':');
  REQUIRE(colon != std::string::npos && colon > 0 && colon + 1 < address.size(), "--report ",
          address, ": write it as ADDRESS:PORT");
  host_ = address.substr(0, colon);
  port_ = address.substr(colon + 1);
}

bool BeatSender::connect() {
  const Found found = look_up(host_, port_.c_str(), SOCK_STREAM);
  if (found == nullptr) return false;
  Socket made(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (made.get() < 0) return false;
  if (::connect(made.get(), found->ai_addr, found->ai_addrlen) != 0) {
    pollfd ready{made.get(), POLLOUT, 0};
    int error = 0;
    socklen_t size = sizeof error;
    if (errno != EINPROGRESS || ::poll(&ready, 1, kConnectMs) != 1 ||
        ::getsockopt(made.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0)
      return false;
  }
  socket_ = std::move(made);
  return true;
}

bool BeatSender::send(const Beat& beat) {
  if (socket_.get() < 0 && !connect()) return false;
  const std::string line = beat_line(beat, token_);
  // Whole or not at all, in all but the worst case: then the next line is unreadable, and skipped.
  const ssize_t sent = ::send(socket_.get(), line.data(), line.size(), MSG_NOSIGNAL);
  if (sent == static_cast<ssize_t>(line.size())) return true;
  if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return true;  // slow is not gone
  socket_.reset();
  return false;
}

BeatListener::BeatListener(std::string token)
    : token_(std::move(token)),
      socket_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (socket_.get() < 0 || ::bind(socket_.get(), any, size) != 0 ||
      ::listen(socket_.get(), SOMAXCONN) != 0 || ::getsockname(socket_.get(), any, &size) != 0)
    fail(ErrorKind::internal, text("no port for the ranks to report to: ", system_error()));
  port_ = ntohs(address.sin_port);
}

void BeatListener::accept_all() {
  while (true) {
    Socket one(::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (one.get() < 0) return;
    const int number = one.get();
    open_[number] = {std::move(one), ""};
  }
}

std::vector<Beat> BeatListener::take() {
  accept_all();
  std::vector<Beat> beats;
  for (auto at = open_.begin(); at != open_.end();) {
    std::string& unread = at->second.second;
    std::array<char, 4096> buffer;
    ssize_t got = 0;
    while ((got = ::recv(at->first, buffer.data(), buffer.size(), 0)) > 0 &&
           unread.size() <= kLongestLine)
      unread.append(buffer.data(), static_cast<size_t>(got));
    const bool over = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
    for (size_t end = 0; (end = unread.find('\n')) != std::string::npos;) {
      Beat beat;
      if (read_beat(std::string_view(unread).substr(0, end), token_, beat)) beats.push_back(beat);
      unread.erase(0, end + 1);
    }
    at = over || unread.size() > kLongestLine ? open_.erase(at) : std::next(at);
  }
  return beats;
}

std::string address_towards(const std::string& host) {
  const Found found = look_up(host, "9", SOCK_DGRAM);  // the port means nothing
  const Socket made(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in own = {};
  socklen_t size = sizeof own;
  if (found == nullptr || made.get() < 0 ||
      ::connect(made.get(), found->ai_addr, found->ai_addrlen) != 0 ||
      ::getsockname(made.get(), reinterpret_cast<sockaddr*>(&own), &size) != 0)
    return "";
  return address_text(own.sin_addr);
}

namespace {

// Of this host; each has an address and a mask.
std::vector<std::pair<in_addr, in_addr>> own_addresses() {
  std::vector<std::pair<in_addr, in_addr>> own;
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return own;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owned(all, ::freeifaddrs);
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next)
    if (one->ifa_addr != nullptr && one->ifa_netmask != nullptr &&
        one->ifa_addr->sa_family == AF_INET)
      own.emplace_back(reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr,
                       reinterpret_cast<const sockaddr_in*>(one->ifa_netmask)->sin_addr);
  return own;
}

}  // namespace

std::string network_of(const std::string& address) {
  for (const auto& [own, mask] : own_addresses())
    if (address_text(own) == address)
      return text(address_text({own.s_addr & mask.s_addr}), '/', std::popcount(mask.s_addr));
  return "";
}

std::string address_in(const std::string& network) {
  const size_t slash = network.find('/');
  in_addr base = {};
  int bits = -1;
  if (slash != std::string::npos) {
    const char* end = network.data() + network.size();
    const auto read = std::from_chars(network.data() + slash + 1, end, bits);
    if (read.ec != std::errc{} || read.ptr != end) bits = -1;
  }
  REQUIRE(
      bits >= 1 && bits <= 32 && ::inet_pton(AF_INET, network.substr(0, slash).c_str(), &base) == 1,
      "--network ", network, ": write it as 10.0.0.0/24");
  const in_addr_t mask = htonl(~in_addr_t{0} << (32 - bits));
  for (const auto& [own, own_mask] : own_addresses())
    if ((own.s_addr & mask) == (base.s_addr & mask)) return address_text(own);
  return "";
}

}  // namespace ortho
