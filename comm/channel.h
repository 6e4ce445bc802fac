// Channel: the collectives Orthotope uses, over MPI
// messages (comm/mpi.h) or over threads (comm/local.h).
//
// Every function but rank, ranks, host and abort is Collective:
// all ranks of the channel call it, in the same order and with equal sizes.
// Sums are taken in rank order, ((v0 + v1) + v2) + …, by every kind of channel,
// so a result depends on the number of ranks and on nothing else. Counts are 64-bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace ortho {

class Channel {
 public:
  Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  virtual ~Channel() = default;

  virtual int rank() const = 0;
  virtual int ranks() const = 0;
  virtual std::string host() const = 0;

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
  [[noreturn]] virtual void abort(int code) = 0;  // ends every rank of the job with `code`
};

}  // namespace ortho
