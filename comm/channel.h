// Channel: the collectives Orthotope uses, over MPI
// messages (comm/mpi.h) or over threads (comm/local.h).
//
// Every function but rank, ranks, host, nodes, reads, open, abort and the notes is Collective:
// all ranks of the channel call it, in the same order and with equal sizes.
// Sums are taken in rank order, ((v0 + v1) + v2) + …, by every kind of channel,
// so a result depends on the number of ranks and on nothing else. Counts are 64-bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ortho {

// Messages to and from other ranks that are under way while this rank computes.
//
// Their memory belongs to the transfer until wait_all() is through. A transfer that is destroyed
// earlier, by an exception, is abandoned: the job can only end.
class Transfer {
 public:
  Transfer() = default;
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  virtual ~Transfer() = default;

  virtual void send(int to, std::span<const std::byte> bytes) = 0;
  // Cheap, never waits; true once all is sent and received. Moves other transfers of this rank too,
  // and throws if it sees that another rank failed.
  virtual bool progress() = 0;
  virtual void wait(size_t incoming) = 0;  // until that message is here
  virtual void wait_all() = 0;
};

// Where the message of rank `from` goes; its size is known before.
struct Incoming {
  int from;
  std::span<std::byte> bytes;
};

// Memory of this rank that the ranks on its node read where it lies: activations and workspaces that
// exchanges pull from. 64-byte aligned, zero at birth, otherwise like any other memory.
//
// Its end is Collective over the channel that made it, unless an exception ends it: then the other
// ranks are not waited for, and the job can only end.
class SharedMemory {
 public:
  SharedMemory() = default;
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  virtual ~SharedMemory() = default;

  virtual std::span<std::byte> bytes() = 0;
  virtual bool shared() const = 0;            // else no other rank sees it; the same on all ranks
  virtual std::byte* of(int rank) const = 0;  // its part, seen from here; nullptr if not shared
};

// Which ranks form a node and how much they may share. Tests and rehearsals change it.
struct NodeSetting {
  int ranks_per_node = 0;  // so many consecutive ranks of a machine form a node; 0: all
  std::int64_t shared_bytes =
      -1;  // what the ranks of a machine may share; -1: what it has room for
};

class Channel {
 public:
  Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  virtual ~Channel() = default;

  virtual int rank() const = 0;
  virtual int ranks() const = 0;
  virtual std::string host() const = 0;
  virtual std::span<const int> nodes()
      const = 0;  // of each rank; ranks with equal numbers share one

  virtual void barrier() = 0;
  virtual void broadcast(std::span<std::byte> bytes, int root) = 0;
  virtual void sum(std::span<float> values) = 0;  // every rank gets the sum, in place
  virtual void sum(std::span<double> values) = 0;
  virtual void sum(std::span<std::int64_t> values) = 0;
  virtual std::int64_t max(std::int64_t value) = 0;
  // All of them, to every rank.
  virtual std::vector<std::string> gather(const std::string& mine) = 0;
  // Ranks of equal color >= 0, in rank order.
  virtual std::unique_ptr<Channel> split(int color) = 0;
  // `bytes` of this rank, sizes may differ. Where a machine has too little room for all, every rank
  // gets ordinary memory and the log says so once.
  virtual std::unique_ptr<SharedMemory> share(std::int64_t bytes) = 0;
  // Where this rank reads `bytes` bytes of `owner` (or itself), which knows them as `theirs`;
  // nullptr if they lie in no memory that both share.
  virtual const std::byte* reads(int owner, const void* theirs, std::int64_t bytes) const = 0;
  // Expects these messages; those of one rank arrive in the order in which it sends them. Other
  // transfers and collectives may run meanwhile, if all ranks begin them in the same order and have
  // sent all of one before.
  virtual std::unique_ptr<Transfer> open(std::span<const Incoming> incoming) = 0;
  [[noreturn]] virtual void abort(int code) = 0;  // ends every rank of the job with `code`

  // Notes for whoever watches (comm/journal.h), not Collective: the phase of the run, and operations
  // that wait for other ranks and are no function of this class.
  virtual void enter(std::string_view /*phase*/, std::int64_t /*step*/) {}
  virtual void arrive(std::string_view /*what*/, std::int64_t /*bytes*/) {}
  virtual void leave() {}
  virtual double busy_sec() const { return 0; }  // of this rank, in steps and outside operations
};

// Such an operation, from here to the end of the scope.
class Operating {
 public:
  Operating(Channel& channel, std::string_view what, std::int64_t bytes) : channel_(channel) {
    channel_.arrive(what, bytes);
  }
  Operating(const Operating&) = delete;
  Operating& operator=(const Operating&) = delete;
  ~Operating() { channel_.leave(); }

 private:
  Channel& channel_;
};

}  // namespace ortho
