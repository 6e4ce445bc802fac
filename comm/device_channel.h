// DeviceChannel: what ranks send each other out of the memory of their devices.
//
// Nothing here waits but wait(). An operation begins once what the compute stream has been given so
// far is done; what the compute stream is given after join() begins once the operations are done.
// Between the two both run at once. Every function but rank, ranks and join is Collective, all
// ranks call them in one order over all channels of the device, and one thread calls them all.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace ortho {

// All memory is the device's, and must not be touched between the call and join().
struct DeviceSend {
  int to;
  const void* from;
  std::int64_t bytes;
};
struct DeviceReceive {
  int from;
  void* into;
  std::int64_t bytes;
};

struct DeviceChannelSetting {
  double deadline_sec = 300;  // for one wait of the host; above 0
};

class DeviceChannel {
 public:
  DeviceChannel() = default;
  DeviceChannel(const DeviceChannel&) = delete;
  DeviceChannel& operator=(const DeviceChannel&) = delete;
  virtual ~DeviceChannel() = default;

  virtual int rank() const = 0;
  virtual int ranks() const = 0;

  // `what` names the operation in messages and traces: "block 0, s_1 to the lines".
  // At most one message from each rank to each other, none to itself; the sizes match pairwise.
  virtual void exchange(const std::string& what, std::span<const DeviceSend> sends,
                        std::span<const DeviceReceive> receives) = 0;
  // Every rank gets the sum, in place, added in rank order like that of every Channel: bit for bit
  // what the CPU's ranks get.
  virtual void sum(const std::string& what, float* values, std::int64_t count) = 0;
  virtual void sum(const std::string& what, double* values, std::int64_t count) = 0;
  virtual void broadcast(const std::string& what, void* memory, std::int64_t bytes, int root) = 0;
  virtual void join() = 0;

  // The host waits until all that the compute stream has been given is done. If that takes longer
  // than the deadline, or another rank failed: Error, and no channel of the device works any more.
  virtual void wait(const std::string& what) = 0;
  // Ranks of equal color >= 0, in rank order; `name` of the group in messages: "mesh axis batch".
  virtual std::unique_ptr<DeviceChannel> split(int color, const std::string& name) = 0;
};

}  // namespace ortho
